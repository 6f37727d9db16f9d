/**
 * Switches that istiod reads from its environment (`pilot-discovery discovery --help` of old, and istio.io's reference of
 * pilot-discovery's environment variables), as far as they shape what proxies get. Defaults are those of Istio 1.31.
 */
export interface Features {
  /** PILOT_ENABLE_METADATA_EXCHANGE: proxies tell each other who they are. */
  readonly metadataExchange: boolean;
  /** PILOT_DISABLE_MX_ALPN: the ALPN of metadata exchange is not offered. */
  readonly disableMxAlpn: boolean;
  /** PILOT_ENABLE_ALPN_FILTER: outbound proxies tell their peer which protocol is inside mutual TLS. */
  readonly alpnFilter: boolean;
  /** PILOT_HTTP10: HTTP/1.0 is answered rather than refused. */
  readonly http10: boolean;
  /** ISTIO_DUAL_STACK */
  readonly dualStack: boolean;
  /** PILOT_ENABLE_REDIS_FILTER: clusters of Redis ports keep each key with one endpoint. */
  readonly redisFilter: boolean;
  /** ENABLE_TLS_ON_SIDECAR_INGRESS */
  readonly tlsOnSidecarIngress: boolean;
  /** PILOT_ALLOW_SIDECAR_SERVICE_INBOUND_LISTENER_MERGE */
  readonly mergeSidecarInbound: boolean;
  /** PILOT_ENABLE_ROUTE_COLLAPSE_OPTIMIZATION: virtual hosts of gateways with the same routes become one. */
  readonly routeCollapse: boolean;
  /** PILOT_FILTER_GATEWAY_CLUSTER_CONFIG: a gateway gets only the clusters that its routes name. */
  readonly filterGatewayClusters: boolean;
  /** PILOT_SCOPE_GATEWAY_TO_NAMESPACE: a Gateway selects workloads of its own namespace only. */
  readonly scopeGatewayToNamespace: boolean;
  /** PILOT_SEND_UNHEALTHY_ENDPOINTS */
  readonly sendUnhealthyEndpoints: boolean;
  /** PILOT_ENABLE_PERSISTENT_SESSION_FILTER */
  readonly persistentSessions: boolean;
  /** PILOT_PERSISTENT_SESSION_LABEL */
  readonly persistentSessionLabel: string;
  /** PILOT_PERSISTENT_SESSION_HEADER_LABEL */
  readonly persistentSessionHeaderLabel: string;
  /** PILOT_DRAINING_LABEL */
  readonly drainingLabel: string;
  /** ENABLE_LOCALITY_WEIGHTED_LB_CONFIG */
  readonly localityWeightedLb: boolean;
  /** PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES */
  readonly edsForHeadless: boolean;
  /** LABEL_CANONICAL_SERVICES_FOR_MESH_EXTERNAL_SERVICE_ENTRIES */
  readonly canonicalExternalServices: boolean;
  /** PILOT_SKIP_VALIDATE_TRUST_DOMAIN: peers of every trust domain are let in. */
  readonly skipValidateTrustDomain: boolean;
  /** ENABLE_ENHANCED_DESTINATIONRULE_MERGE: only rules with equal exportTo are merged. */
  readonly enhancedDestinationRuleMerge: boolean;
  /** PILOT_SIDECAR_USE_REMOTE_ADDRESS */
  readonly sidecarUseRemoteAddress: boolean;
  /** ENABLE_100_CONTINUE_HEADERS */
  readonly continueHeaders: boolean;
  /** MAX_CONNECTIONS_PER_SOCKET_EVENT_LOOP; 0 leaves it to Envoy. */
  readonly maxConnectionsPerSocketEvent: number;
  /** PILOT_DNS_CARES_UDP_MAX_QUERIES */
  readonly dnsMaxUdpQueries: number;
  /** PILOT_DNS_JITTER_DURATION, milliseconds */
  readonly dnsJitter: number;
  /** PILOT_JWT_ENABLE_REMOTE_JWKS: who fetches key sets, the control plane, Envoy, or whoever can. */
  readonly jwksFetch: 'istiod' | 'envoy' | 'hybrid';
  /** PILOT_TRACE_SAMPLING, per cent */
  readonly traceSampling: number;
  /** PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS: a workload may have CUSTOM policies of several providers. */
  readonly multipleCustomProviders: boolean;
  /** PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT, milliseconds: how long a TLS handshake may take. */
  readonly transportSocketConnectTimeout: number;
  /** COMPLIANCE_POLICY */
  readonly compliancePolicy: '' | 'fips-140-2';
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the switches. A value that makes no sense counts as not set, as istiod does. */
export function featuresFromEnv(env: Environment = {}): Features {
  const flag = (name: string, fallback: boolean) => booleanOf(env[name]) ?? fallback;
  const number = (name: string, fallback: number) => numberOf(env[name]) ?? fallback;
  const text = (name: string, fallback: string) => env[name] ?? fallback;
  return {
    metadataExchange: flag('PILOT_ENABLE_METADATA_EXCHANGE', true),
    disableMxAlpn: flag('PILOT_DISABLE_MX_ALPN', false),
    alpnFilter: flag('PILOT_ENABLE_ALPN_FILTER', true),
    http10: flag('PILOT_HTTP10', false),
    dualStack: flag('ISTIO_DUAL_STACK', false),
    redisFilter: flag('PILOT_ENABLE_REDIS_FILTER', false),
    tlsOnSidecarIngress: flag('ENABLE_TLS_ON_SIDECAR_INGRESS', false),
    mergeSidecarInbound: flag('PILOT_ALLOW_SIDECAR_SERVICE_INBOUND_LISTENER_MERGE', false),
    routeCollapse: flag('PILOT_ENABLE_ROUTE_COLLAPSE_OPTIMIZATION', true),
    filterGatewayClusters: flag('PILOT_FILTER_GATEWAY_CLUSTER_CONFIG', false),
    scopeGatewayToNamespace: flag('PILOT_SCOPE_GATEWAY_TO_NAMESPACE', false),
    sendUnhealthyEndpoints: flag('PILOT_SEND_UNHEALTHY_ENDPOINTS', false),
    persistentSessions: flag('PILOT_ENABLE_PERSISTENT_SESSION_FILTER', false),
    persistentSessionLabel: text('PILOT_PERSISTENT_SESSION_LABEL', 'istio.io/persistent-session'),
    persistentSessionHeaderLabel: text('PILOT_PERSISTENT_SESSION_HEADER_LABEL', 'istio.io/persistent-session-header'),
    drainingLabel: text('PILOT_DRAINING_LABEL', 'istio.io/draining'),
    localityWeightedLb: flag('ENABLE_LOCALITY_WEIGHTED_LB_CONFIG', false),
    edsForHeadless: flag('PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES', false),
    canonicalExternalServices: flag('LABEL_CANONICAL_SERVICES_FOR_MESH_EXTERNAL_SERVICE_ENTRIES', false),
    skipValidateTrustDomain: flag('PILOT_SKIP_VALIDATE_TRUST_DOMAIN', false),
    enhancedDestinationRuleMerge: flag('ENABLE_ENHANCED_DESTINATIONRULE_MERGE', true),
    sidecarUseRemoteAddress: flag('PILOT_SIDECAR_USE_REMOTE_ADDRESS', false),
    continueHeaders: flag('ENABLE_100_CONTINUE_HEADERS', true),
    maxConnectionsPerSocketEvent: number('MAX_CONNECTIONS_PER_SOCKET_EVENT_LOOP', 1),
    dnsMaxUdpQueries: number('PILOT_DNS_CARES_UDP_MAX_QUERIES', 100),
    dnsJitter: durationOf(env.PILOT_DNS_JITTER_DURATION) ?? 100,
    jwksFetch: jwksFetchOf(env.PILOT_JWT_ENABLE_REMOTE_JWKS),
    traceSampling: number('PILOT_TRACE_SAMPLING', 1),
    multipleCustomProviders: flag('PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS', false),
    transportSocketConnectTimeout: durationOf(env.PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT) ?? 15_000,
    compliancePolicy: env.COMPLIANCE_POLICY === 'fips-140-2' ? 'fips-140-2' : '',
  };
}

/** As Go's strconv.ParseBool. */
function booleanOf(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(value) ? false : undefined;
}

function numberOf(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}

const UNITS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A Go duration such as `1m30s`, in milliseconds. */
export function durationOf(value: string | undefined): number | undefined {
  if (value === undefined || !/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(value)) return undefined;
  let total = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)) {
    total += Number(amount) * UNITS[unit!]!;
  }
  return total;
}

function jwksFetchOf(value: string | undefined): Features['jwksFetch'] {
  switch (value?.toLowerCase()) {
    case 'true':
    case 'hybrid':
      return 'hybrid';
    case 'envoy':
      return 'envoy';
    default:
      return 'istiod';
  }
}
