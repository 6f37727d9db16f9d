import { create, type JsonObject } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { ApiVersion } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { HealthStatus } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import type { Subset } from '../../config/kinds/destination-rule/schema.ts';
import type { Endpoint } from '../../registry/endpoint.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { dnsCacheOf, resolveByRequest } from '../dynamic-dns.ts';
import { endpointGroups } from '../endpoint/load-assignment.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import { configPath } from '../metadata.ts';
import { delimited, outboundCluster, sniCluster } from '../names.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { keepsSessions } from '../route/stateful-session.ts';
import { applyProxyProtocol, applyUpstreamTls } from '../tls/upstream.ts';
import { type ClusterPolicy, generalPolicy, subsetPolicy } from '../traffic-policy.ts';
import { istioMetadataOf, startCluster } from './base.ts';
import { applyConnectionPool, applyH2Upgrade } from './connection-pool.ts';
import type { ClusterDraft } from './draft.ts';
import { applyLoadBalancer, discoveryType } from './load-balancer.ts';
import { applyMetadataExchange } from './metadata-exchange.ts';
import { expectsMutualTls, identitiesOf } from './mutual-tls.ts';
import { applyOutlierDetection } from './outlier-detection.ts';
import { statName } from './stat-name.ts';

/** `sni`: clusters that forward mutual TLS by its server name, and so do not touch TLS themselves. */
export type ClusterMode = 'normal' | 'sni';

/** The cluster of a service's port, and those of its subsets. */
export function outboundClusters(proxy: ProxyView, service: Service, port: ServicePort, mode: ClusterMode): Cluster[] {
  const rule = proxy.destinationRule(service);
  // Whoever a request names is of no subset.
  const named = service.resolution === 'DYNAMIC_DNS' ? [] : (rule?.spec.subsets ?? []);
  const subsets: (Subset | undefined)[] = [undefined, ...named];
  const clusters: Cluster[] = [];
  let general: ClusterDraft | undefined;
  for (const subset of subsets) {
    const draft = outboundClusterOf(proxy, { service, port, rule, mode }, subset, general);
    if (draft === undefined) {
      // Without endpoints of its own to resolve, a service has no subsets either.
      if (subset === undefined) return [];
      continue;
    }
    if (subset === undefined) general = draft;
    clusters.push(draft.build());
  }
  return clusters;
}

/** Whether each request names its host itself. Mutual TLS that is forwarded by its server name does not say more than the service. */
function namedByRequests(service: Service, mode: ClusterMode): boolean {
  return service.resolution === 'DYNAMIC_DNS' && mode === 'normal';
}

interface Context {
  readonly service: Service;
  readonly port: ServicePort;
  readonly rule: DestinationRule | undefined;
  readonly mode: ClusterMode;
}

function outboundClusterOf(
  proxy: ProxyView,
  context: Context,
  subset: Subset | undefined,
  general: ClusterDraft | undefined,
): ClusterDraft | undefined {
  const { service, port, rule, mode } = context;
  const subsetName = subset?.name ?? '';
  const byRequest = namedByRequests(service, mode);
  const name = (mode === 'normal' ? outboundCluster : sniCluster)(port.port, subsetName, service.hostname);
  const policy = subsetPolicy(generalPolicy(proxy.mesh, rule, port.port), subset?.trafficPolicy, port.port);
  const type = typeOf(proxy, service, subset, general);
  const endpoints = carriesEndpoints(type)
    ? endpointGroups(proxy, {
        cluster: name,
        service,
        port: port.port,
        subset: subsetName,
        rule,
        mutualTlsOnly: mode === 'sni',
      })
    : [];
  const draft = startCluster(proxy, {
    name,
    type,
    port,
    endpoints: endpoints.map(({ group }) => group),
    portOverride: service.passthroughTargetPorts.get(port.port),
    // Hosts that requests bring are nobody's endpoints.
    services: byRequest ? [] : [service],
  });
  if (draft === undefined) return undefined;
  const { cluster } = draft;
  const dnsCache = byRequest ? dnsCacheOf(proxy, service) : undefined;
  const pattern = proxy.mesh.outboundClusterStatName;
  if (pattern && !byRequest) {
    const { hostname } = service;
    cluster.altStatName = delimited(statName(pattern, { hostname, subset: subsetName, port, targetPort: 0, service }));
  }
  if (byRequest) cluster.commonLbConfig = undefined;
  else if (subset === undefined && mode === 'normal') keepDraining(proxy, cluster, service);
  const members = endpoints.map((group) => group.members);
  applyPolicy(proxy, draft, context, policy, subsetName, subset, members);
  if (dnsCache !== undefined) {
    resolveByRequest(cluster, dnsCache, cluster.transportSocket !== undefined && !draft.namesFollowRequests);
  }
  if (discoveryType(cluster) === Cluster_DiscoveryType.EDS) {
    cluster.edsClusterConfig = create(ClusterSchema, {
      edsClusterConfig: {
        serviceName: name,
        edsConfig: {
          configSourceSpecifier: { case: 'ads', value: {} },
          initialFetchTimeout: duration(0),
          resourceApiVersion: ApiVersion.V3,
        },
      },
    }).edsClusterConfig;
  }
  applyMetadataExchange(proxy, cluster);
  const metadata = ownMetadata(context, subset, policy);
  if (Object.keys(metadata).length > 0) Object.assign(istioMetadataOf(cluster), metadata);
  return draft;
}

function applyPolicy(
  proxy: ProxyView,
  draft: ClusterDraft,
  { service, port, rule, mode }: Context,
  policy: ClusterPolicy | undefined,
  subsetName: string,
  subset: Subset | undefined,
  members: readonly (readonly Endpoint[])[],
): void {
  const { cluster } = draft;
  applyConnectionPool(draft, proxy.mesh, policy?.connectionPool, policy?.retryBudget);
  applyH2Upgrade(draft, proxy.mesh, port, policy?.connectionPool);
  applyOutlierDetection(cluster, policy?.outlierDetection, proxy.features);
  if (!namedByRequests(service, mode)) {
    applyLoadBalancer(proxy, cluster, policy?.loadBalancer, port, service, members);
  }
  if (mode === 'normal') {
    const loadBalancer =
      subset === undefined ? rule?.spec.trafficPolicy?.loadBalancer : subset.trafficPolicy?.loadBalancer;
    applyUpstreamTls(proxy, draft, {
      settings: policy?.tls,
      identities: service.resolution === 'DYNAMIC_DNS' ? [] : identitiesOf(proxy, service),
      namedByRequests: service.resolution === 'DYNAMIC_DNS',
      sni: service.resolution === 'DYNAMIC_DNS' ? '' : sniCluster(port.port, subsetName, service.hostname),
      meshExternal: service.meshExternal,
      mutualTlsExpected: expectsMutualTls(proxy, service, port, loadBalancer),
      fromServiceEntry: service.origin === 'ServiceEntry',
      ruleHasSelector: rule?.selector !== undefined,
    });
    applyProxyProtocol(cluster, policy?.proxyProtocol);
  }
  if (discoveryType(cluster) === Cluster_DiscoveryType.ORIGINAL_DST) {
    cluster.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
  }
}

/** How the endpoints of a service are found. A gateway has no address that a client wanted, so it asks the registry. */
function resolutionType(proxy: ProxyView, service: Service): Cluster_DiscoveryType {
  switch (service.resolution) {
    case 'DNS':
      return Cluster_DiscoveryType.STRICT_DNS;
    case 'DNS_ROUND_ROBIN':
      return Cluster_DiscoveryType.LOGICAL_DNS;
    case 'PASSTHROUGH':
      if (!proxy.isSidecar) return Cluster_DiscoveryType.EDS;
      if (service.origin === 'Kubernetes' && proxy.features.edsForHeadless) return Cluster_DiscoveryType.EDS;
      return Cluster_DiscoveryType.ORIGINAL_DST;
    default:
      return Cluster_DiscoveryType.EDS;
  }
}

/** A subset's endpoints are found as the service's are, unless it asks to be passed through. */
function typeOf(
  proxy: ProxyView,
  service: Service,
  subset: Subset | undefined,
  general: ClusterDraft | undefined,
): Cluster_DiscoveryType {
  if (subset === undefined) return resolutionType(proxy, service);
  if (subset.trafficPolicy?.loadBalancer?.simple === 'PASSTHROUGH') return Cluster_DiscoveryType.ORIGINAL_DST;
  return (general && discoveryType(general.cluster)) ?? resolutionType(proxy, service);
}

function carriesEndpoints(type: Cluster_DiscoveryType): boolean {
  return type === Cluster_DiscoveryType.STRICT_DNS || type === Cluster_DiscoveryType.LOGICAL_DNS;
}

/** Services with persistent sessions keep endpoints that drain, for the sessions that they have. */
function keepDraining(proxy: ProxyView, cluster: Cluster, service: Service): void {
  if (!keepsSessions(service, proxy.features)) return;
  cluster.commonLbConfig = create(ClusterSchema, {
    commonLbConfig: {
      overrideHostStatus: {
        statuses: [HealthStatus.HEALTHY, HealthStatus.DRAINING, HealthStatus.UNKNOWN, HealthStatus.DEGRADED],
      },
    },
  }).commonLbConfig;
}

/** What Istio's metadata of a cluster says besides its services. */
function ownMetadata(
  { service, rule }: Context,
  subset: Subset | undefined,
  policy: ClusterPolicy | undefined,
): JsonObject {
  const metadata: JsonObject = {};
  if (service.meshExternal && subset === undefined) metadata.external = true;
  if (rule === undefined) return metadata;
  metadata.config = configPath(rule.from[0]!);
  if (subset !== undefined) metadata.subset = subset.name;
  // The program's own TLS is not the mesh's: its ALPN is left alone.
  const mode = policy?.tls?.mode;
  if (mode === 'SIMPLE' || mode === 'MUTUAL') metadata.alpn_override = 'false';
  return metadata;
}
