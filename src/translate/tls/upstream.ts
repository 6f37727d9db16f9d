import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_TransportSocketMatchSchema,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { type TransportSocket, TransportSocketSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { UpstreamHttpProtocolOptionsSchema } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import {
  ProxyProtocolConfig_Version,
  ProxyProtocolConfigSchema,
} from '../../api/gen/envoy/config/core/v3/proxy_protocol_pb.ts';
import { ProxyProtocolUpstreamTransportSchema } from '../../api/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts';
import { RawBufferSchema } from '../../api/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts';
import { TlsParameters_TlsProtocol } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import {
  type UpstreamTlsContext,
  UpstreamTlsContextSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import type { ClientTls } from '../../config/kinds/shared/tls.ts';
import type { TrafficPolicy } from '../../config/kinds/shared/traffic-policy.ts';
import type { ClusterDraft } from '../cluster/draft.ts';
import { discoveryType } from '../cluster/load-balancer.ts';
import { filter } from '../proto/any.ts';
import { exact } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import {
  ALPN_H2,
  ALPN_MESH,
  ALPN_MESH_H2,
  ALPN_MESH_H2_WITH_EXCHANGE,
  ALPN_MESH_WITH_EXCHANGE,
  applyTlsDefaults,
  enforceCompliance,
} from './params.ts';
import {
  agentSecret,
  CA_SUFFIX,
  credentialSecret,
  fileCertificate,
  fileRoots,
  WORKLOAD_CERTIFICATE,
  WORKLOAD_ROOTS,
} from './sds.ts';

/** TLS towards a cluster, decided. */
export interface UpstreamTls {
  readonly settings: ClientTls;
  /** Nobody asked for it: endpoints that cannot take it get plain text. */
  readonly automatic: boolean;
}

export interface UpstreamTlsRequest {
  readonly settings: ClientTls | undefined;
  /** SPIFFE IDs, or for external services subjectAltNames, that the endpoints may have. */
  readonly identities: readonly string[];
  readonly sni: string;
  readonly meshExternal: boolean;
  /** Whether the service's callers may expect that it takes mutual TLS. */
  readonly mutualTlsExpected: boolean;
  /** Declared by a ServiceEntry. */
  readonly fromServiceEntry: boolean;
  /** The hosts of the cluster are what requests name. */
  readonly namedByRequests?: boolean;
  /** The DestinationRule is only for some workloads. */
  readonly ruleHasSelector: boolean;
}

/** What was asked for, filled in; or mutual TLS where nothing was said and the service can. */
function decide(proxy: ProxyView, request: UpstreamTlsRequest): UpstreamTls | undefined {
  const { settings, identities, sni } = request;
  const given = proxy.node.clientCertificates;
  const withGiven = (): ClientTls => ({
    mode: 'MUTUAL',
    caCertificates: given!.root,
    clientCertificate: given!.chain,
    privateKey: given!.key,
    subjectAltNames: identities,
    sni,
  });
  if (settings !== undefined) {
    if (settings.mode === undefined || settings.mode === 'DISABLE' || settings.mode === 'SIMPLE') {
      return { settings, automatic: false };
    }
    if (given !== undefined && !request.meshExternal) return { settings: withGiven(), automatic: false };
    if (settings.mode !== 'ISTIO_MUTUAL') return { settings, automatic: false };
    const subjectAltNames = settings.subjectAltNames?.length ? settings.subjectAltNames : identities;
    return { settings: { mode: 'ISTIO_MUTUAL', subjectAltNames, sni: settings.sni || sni }, automatic: false };
  }
  if (request.meshExternal || !proxy.mesh.enableAutoMtls || !request.mutualTlsExpected) return undefined;
  if (given !== undefined) return { settings: withGiven(), automatic: true };
  return { settings: { mode: 'ISTIO_MUTUAL', subjectAltNames: identities, sni }, automatic: true };
}

const RAW_BUFFER = create(TransportSocketSchema, filter('envoy.transport_sockets.raw_buffer', RawBufferSchema, {}));
/** As istiod calls it inside another. */
const INNER_RAW_BUFFER = create(TransportSocketSchema, filter('raw_buffer', RawBufferSchema, {}));

/** Sets how a cluster encrypts its connections. */
export function applyUpstreamTls(proxy: ProxyView, draft: ClusterDraft, request: UpstreamTlsRequest): void {
  const decided = decide(proxy, request);
  if (decided === undefined) return;
  const { cluster } = draft;
  const context = contextOf(proxy, draft, decided.settings, request);
  if (context === undefined) return;
  const socket = create(
    TransportSocketSchema,
    filter('envoy.transport_sockets.tls', UpstreamTlsContextSchema, context),
  );
  const matches =
    decided.automatic &&
    decided.settings.mode === 'ISTIO_MUTUAL' &&
    discoveryType(cluster) !== Cluster_DiscoveryType.ORIGINAL_DST;
  if (!matches) {
    cluster.transportSocket = socket;
    return;
  }
  cluster.transportSocketMatches = [
    create(Cluster_TransportSocketMatchSchema, {
      name: 'tlsMode-istio',
      match: { tlsMode: 'istio' },
      transportSocket: socket,
    }),
    create(Cluster_TransportSocketMatchSchema, { name: 'tlsMode-disabled', match: {}, transportSocket: RAW_BUFFER }),
  ];
}

function contextOf(
  proxy: ProxyView,
  draft: ClusterDraft,
  tls: ClientTls,
  request: UpstreamTlsRequest,
): UpstreamTlsContext | undefined {
  const { features } = proxy;
  // A sidecar is not let at secrets of its namespace unless the rule is for it in particular.
  const privileged = tls.credentialName && !tls.credentialName.startsWith('configmap://');
  if (privileged && proxy.isSidecar && !request.ruleHasSelector && tls.mode !== 'ISTIO_MUTUAL') return undefined;
  let context: UpstreamTlsContext | undefined;
  switch (tls.mode) {
    case 'ISTIO_MUTUAL':
      context = meshContext(proxy, draft, tls, request.namedByRequests ? '' : draft.cluster.name);
      break;
    case 'SIMPLE':
    case 'MUTUAL':
      context = originationContext(proxy, draft, tls, request);
      break;
    default:
      return undefined;
  }
  if (context !== undefined && request.namedByRequests) verifyNameOfRequest(draft, tls);
  if (context !== undefined) enforceCompliance(context.commonTlsContext!, features.compliancePolicy);
  return context;
}

const VERSIONS = {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
};

function meshContext(proxy: ProxyView, draft: ClusterDraft, tls: ClientTls, otherwise: string): UpstreamTlsContext {
  const { metadataExchange, disableMxAlpn } = proxy.features;
  const exchange = metadataExchange && !disableMxAlpn;
  const alpn = draft.isHttp2
    ? exchange
      ? ALPN_MESH_H2_WITH_EXCHANGE
      : ALPN_MESH_H2
    : exchange
      ? ALPN_MESH_WITH_EXCHANGE
      : ALPN_MESH;
  return create(UpstreamTlsContextSchema, {
    sni: tls.sni || otherwise,
    commonTlsContext: {
      tlsParams: VERSIONS,
      alpnProtocols: alpn,
      tlsCertificateSdsSecretConfigs: [agentSecret(WORKLOAD_CERTIFICATE)],
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: { matchSubjectAltNames: (tls.subjectAltNames ?? []).map(exact) },
          validationContextSdsSecretConfig: agentSecret(WORKLOAD_ROOTS),
        },
      },
    },
  });
}

/** TLS that the proxy begins for a program that speaks plain text. Undefined if a certificate of its own lacks a file. */
function originationContext(
  proxy: ProxyView,
  draft: ClusterDraft,
  tls: ClientTls,
  request: UpstreamTlsRequest,
): UpstreamTlsContext | undefined {
  const socket = proxy.node.credentialSocket;
  const credential = tls.credentialName;
  if (tls.mode === 'MUTUAL' && !credential && (!tls.clientCertificate || !tls.privateKey)) return undefined;
  const own =
    tls.mode !== 'MUTUAL'
      ? []
      : [
          credential
            ? credentialSecret(credential, socket)
            : agentSecret(fileCertificate(tls.clientCertificate!, tls.privateKey!)),
        ];
  const context = create(UpstreamTlsContextSchema, {
    sni: tls.sni ?? '',
    commonTlsContext: {
      tlsParams: VERSIONS,
      tlsCertificateSdsSecretConfigs: own,
      ...validation(proxy, tls, request),
    },
  });
  const common = context.commonTlsContext!;
  setServerNameOfRequest(draft, tls);
  applyTlsDefaults(common, proxy.mesh.tlsDefaults, false);
  if (draft.isHttp2) common.alpnProtocols = [...ALPN_H2];
  return context;
}

/** By which authorities and names the server is verified. */
function validation(proxy: ProxyView, tls: ClientTls, request: UpstreamTlsRequest) {
  const insecure = tls.insecureSkipVerify === true;
  const ofService = request.fromServiceEntry && !tls.subjectAltNames?.length;
  const matchSubjectAltNames = (ofService ? request.identities : (tls.subjectAltNames ?? [])).map(exact);
  const combined = (secret: ReturnType<typeof agentSecret>, crl?: string) => ({
    validationContextType: {
      case: 'combinedValidationContext' as const,
      value: {
        defaultValidationContext: {
          matchSubjectAltNames,
          ...(crl ? { crl: { specifier: { case: 'filename' as const, value: crl } } } : {}),
        },
        validationContextSdsSecretConfig: secret,
      },
    },
  });
  if (tls.credentialName) {
    const socket = proxy.node.credentialSocket;
    return insecure ? {} : combined(credentialSecret(tls.credentialName + CA_SUFFIX, socket));
  }
  const roots = tls.caCertificates || 'system';
  if (insecure) return { validationContextType: { case: 'validationContext' as const, value: {} } };
  return combined(agentSecret(fileRoots(roots)), tls.caCrl);
}

/** Without a name of its own, the server name is each request's host, and the certificate must be for it. */
function setServerNameOfRequest(draft: ClusterDraft, tls: ClientTls): void {
  if (tls.sni) return;
  draft.http.upstreamHttpProtocolOptions = create(UpstreamHttpProtocolOptionsSchema, {
    autoSni: true,
    autoSanValidation: !tls.subjectAltNames?.length && tls.insecureSkipVerify !== true,
  });
}

/** Where requests name the hosts, what a certificate has to say is the name, whatever else it may say. */
function verifyNameOfRequest(draft: ClusterDraft, tls: ClientTls): void {
  const autoSni = !tls.sni;
  const autoSanValidation = tls.insecureSkipVerify !== true;
  if (!autoSni && !autoSanValidation) return;
  draft.http.upstreamHttpProtocolOptions = create(UpstreamHttpProtocolOptionsSchema, { autoSni, autoSanValidation });
}

/** Puts a PROXY protocol header before each connection of a cluster, inside of nothing and outside of TLS. */
export function applyProxyProtocol(cluster: Cluster, proxyProtocol: TrafficPolicy['proxyProtocol']): void {
  if (proxyProtocol === undefined) return;
  const version = proxyProtocol.version === 'V2' ? ProxyProtocolConfig_Version.V2 : ProxyProtocolConfig_Version.V1;
  const wrap = (transportSocket: TransportSocket) =>
    create(
      TransportSocketSchema,
      filter('envoy.transport_sockets.upstream_proxy_protocol', ProxyProtocolUpstreamTransportSchema, {
        config: create(ProxyProtocolConfigSchema, { version }),
        transportSocket,
      }),
    );
  if (cluster.transportSocket !== undefined) cluster.transportSocket = wrap(cluster.transportSocket);
  else if (cluster.transportSocketMatches.length === 0) cluster.transportSocket = wrap(INNER_RAW_BUFFER);
  for (const match of cluster.transportSocketMatches) match.transportSocket = wrap(match.transportSocket!);
}
