import { fromBinary } from '@bufbuild/protobuf';
import {
  Cluster_DiscoveryType,
  type Cluster as ClusterProto,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { ClusterConfig as AggregateConfig } from '../../api/gen/envoy/extensions/clusters/aggregate/v3/cluster_pb.ts';
import type { DnsCluster } from '../../api/gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts';
import type { ClusterConfig as ForwardProxyConfig } from '../../api/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts';
import { schemaOf, typeNameOf } from '../../api/registry.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { ConfigSourceSpec } from '../config/source-spec.ts';
import { configSourceSpec } from '../config/source-spec.ts';
import { checkSupported } from '../config/supported.ts';
import { durationMs } from '../config/values.ts';
import type { Policy } from '../lb/load-balancer.ts';
import { policyOf } from '../lb/policy-config.ts';
import { type Binding, bindingOf } from './bind.ts';
import { type BreakerConfig, breakerConfig } from './circuit-breakers.ts';
import type { ClusterDefaults } from './defaults.ts';
import { type DnsConfig, dnsConfig, typedDnsConfig } from './dns/config.ts';
import { type HealthCheckConfig, healthCheckConfig } from './health/config.ts';
import { HostStatus, type Metadata } from './host.ts';
import { metadataOf } from './metadata.ts';
import { type OutlierConfig, outlierConfig } from './outlier/config.ts';
import { type HttpConfig, httpConfig } from './protocol-config.ts';
import { SUPPORTED } from './supported.ts';
import { type TcpKeepalive, tcpKeepalive } from './tcp-keepalive.ts';

export type DiscoveryType =
  | 'STATIC'
  | 'STRICT_DNS'
  | 'LOGICAL_DNS'
  | 'EDS'
  | 'ORIGINAL_DST'
  | 'FORWARD_PROXY'
  | 'AGGREGATE';

/** A cluster as configured, with Envoy's defaults filled in. Times in milliseconds. */
export interface ClusterConfig extends HttpConfig {
  readonly name: string;
  readonly statName: string;
  readonly discovery: DiscoveryType;
  readonly connectTimeoutMs: number;
  readonly bufferLimit: number;
  readonly eds: { readonly serviceName: string; readonly source: ConfigSourceSpec } | undefined;
  /** Undefined for clusters that ask no DNS. */
  readonly dns: DnsConfig | undefined;
  /** Set for clusters whose hosts are what requests name. */
  readonly forwardProxy: ForwardProxyConfig | undefined;
  /** Names of the clusters that this one is made of; undefined for others. */
  readonly aggregate: readonly string[] | undefined;
  /** Undefined where the cluster itself finds the host of a request (`CLUSTER_PROVIDED`). */
  readonly policy: Policy | undefined;
  /** Percent. */
  readonly panicThreshold: number;
  readonly breakers: BreakerConfig;
  /** Connections that are made for each one that is needed (`per_upstream_preconnect_ratio`): 1 to 3. */
  readonly preconnectRatio: number;
  /** `connection_pool_per_downstream_connection`. */
  readonly poolPerDownstream: boolean;
  readonly tcpKeepalive: TcpKeepalive | undefined;
  readonly binding: Binding | undefined;
  readonly metadata: Metadata;
  readonly healthCheck: HealthCheckConfig | undefined;
  readonly outlierDetection: OutlierConfig | undefined;
  readonly cleanupIntervalMs: number;
  readonly originalDst: { readonly header: string | undefined; readonly portOverride: number };
  /** `ignore_health_on_host_removal`: hosts that discovery drops go at once, even if they pass their health checks. */
  readonly ignoreHealthOnRemoval: boolean;
  readonly closeOnHealthFailure: boolean;
  /** `ignore_new_hosts_until_first_hc`. */
  readonly ignoreUnchecked: boolean;
  /** `close_connections_on_host_set_change`. */
  readonly drainOnHostSetChange: boolean;
  /** `override_host_status`: in which states a host is used that a request insists on. */
  readonly overrideStatuses: ReadonlySet<number>;
  /** `wait_for_warm_on_init`: the start of the proxy waits for the cluster. */
  readonly warmOnInit: boolean;
}

const DEFAULT_BUFFER_LIMIT = 1024 * 1024;
const MAX_PRECONNECT_RATIO = 3;

const DISCOVERY: Readonly<Record<Cluster_DiscoveryType, DiscoveryType>> = {
  [Cluster_DiscoveryType.STATIC]: 'STATIC',
  [Cluster_DiscoveryType.STRICT_DNS]: 'STRICT_DNS',
  [Cluster_DiscoveryType.LOGICAL_DNS]: 'LOGICAL_DNS',
  [Cluster_DiscoveryType.EDS]: 'EDS',
  [Cluster_DiscoveryType.ORIGINAL_DST]: 'ORIGINAL_DST',
};

/** Names of the same as extensions (`cluster_type`), which need no configuration. */
const EXTENSIONS: Readonly<Record<string, DiscoveryType>> = {
  'envoy.cluster.static': 'STATIC',
  'envoy.cluster.strict_dns': 'STRICT_DNS',
  'envoy.cluster.logical_dns': 'LOGICAL_DNS',
  'envoy.cluster.eds': 'EDS',
  'envoy.cluster.original_dst': 'ORIGINAL_DST',
};

const DNS_CLUSTER = 'envoy.extensions.clusters.dns.v3.DnsCluster';
const AGGREGATE = 'envoy.extensions.clusters.aggregate.v3.ClusterConfig';
const FORWARD_PROXY = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';

/** Reads a Cluster message. What cannot be honoured goes to `errors`. */
export function clusterConfig(
  proto: ClusterProto,
  defaults: ClusterDefaults,
  now: () => number,
  errors: ConfigErrors,
): ClusterConfig {
  if (proto.name === '') errors.add('name', 'must not be empty');
  const { discovery, dns, forwardProxy, aggregate } = discoveryOf(proto, defaults, errors);
  const bufferLimit = proto.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER_LIMIT;
  const connectTimeoutMs = durationMs(proto.connectTimeout, 5000);
  if (connectTimeoutMs <= 0) errors.add('connect_timeout', 'must be above 0');
  const originalDst = proto.lbConfig.case === 'originalDstLbConfig' ? proto.lbConfig.value : undefined;
  const binding = proto.upstreamBindConfig
    ? bindingOf(proto.upstreamBindConfig, errors.at('upstream_bind_config'))
    : defaults.binding;
  const outlier = proto.outlierDetection;
  const http = httpConfig(proto, bufferLimit, now, errors);
  return {
    ...(forwardProxy === undefined ? http : forwardProxyNames(http, forwardProxy, errors)),
    name: proto.name,
    statName: proto.altStatName || proto.name,
    discovery,
    connectTimeoutMs,
    bufferLimit,
    eds: discovery === 'EDS' ? edsConfig(proto, errors) : undefined,
    dns,
    forwardProxy,
    aggregate,
    policy: policyOf(proto, errors),
    panicThreshold: Math.round(proto.commonLbConfig?.healthyPanicThreshold?.value ?? 50),
    breakers: breakerConfig(proto.circuitBreakers, errors.at('circuit_breakers')),
    preconnectRatio: preconnectRatio(proto, errors),
    poolPerDownstream: proto.connectionPoolPerDownstreamConnection,
    tcpKeepalive: tcpKeepalive(proto.upstreamConnectionOptions?.tcpKeepalive),
    binding,
    metadata: metadataOf(proto.metadata),
    healthCheck: healthCheck(proto, errors),
    outlierDetection: outlier && outlierConfig(outlier, errors.at('outlier_detection')),
    cleanupIntervalMs: durationMs(proto.cleanupInterval, 5000),
    originalDst: {
      header: originalDst?.useHttpHeader
        ? originalDst.httpHeaderName.toLowerCase() || 'x-envoy-original-dst-host'
        : undefined,
      portOverride: originalDst?.upstreamPortOverride ?? 0,
    },
    ignoreHealthOnRemoval: proto.ignoreHealthOnHostRemoval,
    closeOnHealthFailure: proto.closeConnectionsOnHostHealthFailure,
    ignoreUnchecked: proto.commonLbConfig?.ignoreNewHostsUntilFirstHc ?? false,
    drainOnHostSetChange: proto.commonLbConfig?.closeConnectionsOnHostSetChange ?? false,
    overrideStatuses: overrideStatuses(proto),
    warmOnInit: proto.waitForWarmOnInit ?? true,
  };
}

const OVERRIDE_STATUSES: ReadonlySet<number> = new Set([HostStatus.Unknown, HostStatus.Healthy, HostStatus.Degraded]);

function overrideStatuses({ commonLbConfig }: ClusterProto): ReadonlySet<number> {
  const given = commonLbConfig?.overrideHostStatus;
  return given === undefined ? OVERRIDE_STATUSES : new Set(given.statuses);
}

interface Discovery {
  readonly discovery: DiscoveryType;
  readonly dns: DnsConfig | undefined;
  readonly forwardProxy?: ForwardProxyConfig | undefined;
  readonly aggregate?: readonly string[];
}

function discoveryOf(proto: ClusterProto, defaults: ClusterDefaults, errors: ConfigErrors): Discovery {
  const specifier = proto.clusterDiscoveryType;
  const known = (discovery: DiscoveryType): Discovery => ({
    discovery,
    dns: discovery.endsWith('_DNS') ? dnsConfig(proto, defaults.resolver, errors) : undefined,
  });
  if (specifier.case !== 'clusterType') return known(DISCOVERY[specifier.value ?? Cluster_DiscoveryType.STATIC]);
  const { name, typedConfig } = specifier.value;
  const at = errors.at('cluster_type');
  if (typedConfig !== undefined && typeNameOf(typedConfig.typeUrl) === DNS_CLUSTER) {
    const schema = schemaOf(DNS_CLUSTER)!;
    const config = fromBinary(schema, typedConfig.value) as DnsCluster;
    const here = at.at('typed_config');
    checkSupported(schema, config, SUPPORTED, here);
    return {
      discovery: config.allAddressesInSingleEndpoint ? 'LOGICAL_DNS' : 'STRICT_DNS',
      dns: typedDnsConfig(config, proto, defaults.resolver, here),
    };
  }
  if (typedConfig !== undefined && typeNameOf(typedConfig.typeUrl) === FORWARD_PROXY) {
    const schema = schemaOf(FORWARD_PROXY)!;
    const forwardProxy = fromBinary(schema, typedConfig.value) as ForwardProxyConfig;
    checkSupported(schema, forwardProxy, SUPPORTED, at.at('typed_config'));
    return { discovery: 'FORWARD_PROXY', dns: undefined, forwardProxy };
  }
  if (typedConfig !== undefined && typeNameOf(typedConfig.typeUrl) === AGGREGATE) {
    const schema = schemaOf(AGGREGATE)!;
    const { clusters } = fromBinary(schema, typedConfig.value) as AggregateConfig;
    if (clusters.length === 0) at.add('typed_config.clusters', 'must not be empty');
    return { discovery: 'AGGREGATE', dns: undefined, aggregate: clusters };
  }
  const discovery = EXTENSIONS[name];
  if (discovery !== undefined && typedConfig === undefined) return known(discovery);
  at.add('', `${typedConfig?.typeUrl || name} is not supported`);
  return { discovery: 'STATIC', dns: undefined };
}

/**
 * What a host is called is what its certificate has to say: unless `allow_insecure_cluster_options` is set, SNI and
 * validation follow the name, and do so where nothing is said of them.
 */
function forwardProxyNames(
  http: HttpConfig,
  { allowInsecureClusterOptions }: ForwardProxyConfig,
  errors: ConfigErrors,
): HttpConfig {
  const named = http.namesGiven ? http : { ...http, autoSni: true, autoSanValidation: true };
  if (!allowInsecureClusterOptions && !(named.autoSni && named.autoSanValidation)) {
    errors.add(
      'cluster_type.typed_config',
      'dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set',
    );
  }
  return named;
}

function edsConfig(proto: ClusterProto, errors: ConfigErrors): ClusterConfig['eds'] {
  const source = configSourceSpec(proto.edsClusterConfig?.edsConfig, errors.at('eds_cluster_config').at('eds_config'));
  return source && { serviceName: proto.edsClusterConfig?.serviceName || proto.name, source };
}

function healthCheck(proto: ClusterProto, errors: ConfigErrors): HealthCheckConfig | undefined {
  const [first] = proto.healthChecks;
  if (proto.healthChecks.length > 1) errors.add('health_checks', 'must not be more than one');
  return first && healthCheckConfig(first, errors.at('health_checks').at(0));
}

function preconnectRatio({ preconnectPolicy }: ClusterProto, errors: ConfigErrors): number {
  const ratio = preconnectPolicy?.perUpstreamPreconnectRatio ?? 1;
  if (ratio < 1 || ratio > MAX_PRECONNECT_RATIO) {
    errors.add('preconnect_policy.per_upstream_preconnect_ratio', `must be from 1 to ${MAX_PRECONNECT_RATIO}`);
  }
  return ratio;
}
