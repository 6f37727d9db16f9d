import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { LocalityLbEndpointsSchema } from '../../api/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
import type { IngressListener } from '../../config/kinds/sidecar/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { isIpv4, isIpv6 } from '../../registry/address.ts';
import { parseProtocol } from '../../registry/protocol.ts';
import type { Service, ServicePort, ServiceTarget } from '../../registry/service.ts';
import type { Origin } from '../index/virtual-service.ts';
import { configPath } from '../metadata.ts';
import { delimited, inboundCluster } from '../names.ts';
import { duration, socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { type ClusterPolicy, generalPolicy } from '../traffic-policy.ts';
import { istioMetadataOf, startCluster } from './base.ts';
import { applyConnectionPool } from './connection-pool.ts';
import { statName } from './stat-name.ts';

/** A cluster towards the proxy's own program, and the hosts by which EnvoyFilters may name it. */
export interface InboundCluster {
  readonly cluster: Cluster;
  readonly hosts: readonly string[];
  readonly sources: readonly (Origin | ConfigObject)[];
}

interface InboundRequest {
  /** Port by which the cluster is named. */
  readonly clusterPort: number;
  /** Port to which it connects. */
  readonly targetPort: number;
  readonly port: ServicePort;
  /** Where the program listens; undefined sends to the address that the client wanted. */
  readonly address: string | undefined;
  readonly hostname: string;
  readonly service: Service | undefined;
  /** Services of the port, for telemetry. */
  readonly services: readonly Service[];
}

/** As long as a duration can be: idle inbound connections of this cluster type are never cleaned up. */
const NEVER = 9_223_372_035 * 1000;

/** Clusters towards the program: one for each port that services lead to, or each ingress listener of a Sidecar. */
export function inboundClusters(proxy: ProxyView): InboundCluster[] {
  const ingress = proxy.scope.sidecar?.spec.ingress ?? [];
  if (ingress.length === 0) {
    const { explicitCapture, interceptionMode } = proxy.node;
    return interceptionMode === 'NONE' && !explicitCapture ? [] : fromTargets(proxy, new Set());
  }
  const own = new Set(ingress.map((listener) => listener.port?.number ?? 0));
  return [
    ...(proxy.features.mergeSidecarInbound ? fromTargets(proxy, own) : []),
    ...ingress.flatMap((listener, i) => fromIngress(proxy, listener, i)),
  ];
}

function fromTargets(proxy: ProxyView, except: ReadonlySet<number>): InboundCluster[] {
  const byPort = new Map<number, ServiceTarget[]>();
  for (const target of proxy.targets) {
    if (except.has(target.targetPort)) continue;
    const targets = byPort.get(target.targetPort);
    if (targets) targets.push(target);
    else byPort.set(target.targetPort, [target]);
  }
  // Where the sidecar has the address that the client wanted, the program is on loopback.
  const passthrough = proxy.mesh.inboundTrafficPolicy?.mode !== 'LOCALHOST' && !proxy.node.explicitCapture;
  return [...byPort].map(([clusterPort, targets]) => {
    const { service, port } = targets[0]!;
    const services = targets.filter((target) => target.port.port === port.port).map((target) => target.service);
    return {
      cluster: build(proxy, {
        clusterPort,
        targetPort: clusterPort,
        port,
        address: passthrough ? undefined : proxy.localhosts[0],
        hostname: service.hostname,
        service,
        services: uniqueHosts(services.filter((s) => !s.meshExternal || !service.meshExternal)),
      }),
      hosts: targets.map((target) => target.service.hostname),
      sources: targets.map((target) => target.service.source),
    };
  });
}

function uniqueHosts(services: readonly Service[]): Service[] {
  const seen = new Set<string>();
  return services.filter(({ hostname }) => !seen.has(hostname) && seen.add(hostname));
}

function fromIngress(proxy: ProxyView, listener: IngressListener, index: number): InboundCluster[] {
  const number = listener.port?.number ?? 0;
  const endpoint = endpointOf(proxy, listener.defaultEndpoint ?? '');
  if (endpoint === undefined) return [];
  const { scope } = proxy;
  const target = proxy.targets.find((t) => t.targetPort === number);
  const hostname = target?.service.hostname ?? `${scope.name}.${scope.namespace}`;
  const cluster = build(proxy, {
    clusterPort: number,
    targetPort: endpoint.port,
    port: { port: number, name: listener.port?.name ?? '', protocol: parseProtocol(listener.port?.protocol) },
    address: endpoint.address,
    hostname,
    service: target?.service,
    services: target !== undefined && !target.service.meshExternal ? [target.service] : [],
  });
  return [{ cluster, hosts: [hostname], sources: [{ object: scope.sidecar!, path: ['spec', 'ingress', index] }] }];
}

/**
 * Where `defaultEndpoint` points: `unix://PATH`; `127.0.0.1:PORT` or `[::1]:PORT` in the family that the proxy has;
 * `0.0.0.0:PORT` or `[::]:PORT` to the proxy's own address; nothing to the address that the client wanted.
 */
function endpointOf(
  proxy: ProxyView,
  text: string,
): { readonly address: string | undefined; readonly port: number } | undefined {
  if (text === '') return { address: undefined, port: 0 };
  if (text.startsWith('unix://')) return { address: text, port: 0 };
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2];
  const port = Number(match[3]);
  const { addresses } = proxy.node;
  switch (host) {
    case '0.0.0.0':
      return { address: addresses.find(isIpv4) ?? '127.0.0.1', port };
    case '::':
      return { address: addresses.find(isIpv6) ?? '::1', port };
    case '127.0.0.1':
      return { address: proxy.localhosts.find(isIpv4) ?? proxy.localhosts[0], port };
    case '::1':
      return { address: proxy.localhosts.find(isIpv6) ?? proxy.localhosts[0], port };
    default:
      return { address: undefined, port };
  }
}

function build(proxy: ProxyView, request: InboundRequest): Cluster {
  const { address, port, service } = request;
  const name = inboundCluster(request.clusterPort);
  const endpoints =
    address === undefined
      ? []
      : [
          create(LocalityLbEndpointsSchema, {
            lbEndpoints: [
              {
                hostIdentifier: {
                  case: 'endpoint',
                  value: { address: socketAddress(address, request.targetPort) },
                },
              },
            ],
          }),
        ];
  const type = address === undefined ? Cluster_DiscoveryType.ORIGINAL_DST : Cluster_DiscoveryType.STATIC;
  const draft = startCluster(proxy, { name, type, port, endpoints, services: request.services })!;
  const { cluster } = draft;
  const pattern = proxy.mesh.inboundClusterStatName;
  if (pattern) {
    const { hostname, clusterPort: targetPort } = request;
    cluster.altStatName = delimited(statName(pattern, { hostname, subset: '', port, targetPort, service }));
  }
  if (type === Cluster_DiscoveryType.ORIGINAL_DST) cluster.cleanupInterval = duration(NEVER);
  const { connectionPool, retryBudget } = policyFor(proxy, request, cluster);
  applyConnectionPool(draft, proxy.mesh, connectionPool, retryBudget);
  if (type === Cluster_DiscoveryType.ORIGINAL_DST) cluster.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
  // Traffic to other addresses than loopback would be caught by iptables again, but for this source address.
  if (address !== '127.0.0.1' && address !== '::1') bindToPassthrough(proxy, cluster, proxy.features.dualStack);
  return draft.build();
}

/** Limits hold on the receiving side as well. A Sidecar's own word goes before the DestinationRule's. */
function policyFor(proxy: ProxyView, request: InboundRequest, cluster: Cluster): ClusterPolicy {
  const rule = proxy.destinationRuleFor(request.hostname, 'inbound');
  const policy = generalPolicy(proxy.mesh, rule, request.port.port);
  if (rule?.spec.trafficPolicy !== undefined && cluster.metadata !== undefined) {
    istioMetadataOf(cluster).config = configPath(rule.from[0]!);
  }
  const sidecar = proxy.scope.sidecar?.spec;
  const own = sidecar?.ingress?.find((listener) => listener.port?.number === request.clusterPort)?.connectionPool;
  return { ...policy, connectionPool: own ?? sidecar?.inboundConnectionPool ?? policy?.connectionPool };
}

/** Source addresses that iptables lets through to the program. */
const PASSTHROUGH_IPV4 = '127.0.0.6';
const PASSTHROUGH_IPV6 = '::6';

/** Makes a cluster connect from Istio's passthrough address, by which capture knows such connections. */
export function bindToPassthrough(proxy: ProxyView, cluster: Cluster, bothFamilies: boolean): void {
  const [first, ...others] =
    proxy.ipMode === 'IPv6'
      ? [PASSTHROUGH_IPV6]
      : proxy.ipMode === 'Dual' && bothFamilies
        ? [PASSTHROUGH_IPV4, PASSTHROUGH_IPV6]
        : [PASSTHROUGH_IPV4];
  const bind = (address: string) => ({ address, portSpecifier: { case: 'portValue' as const, value: 0 } });
  cluster.upstreamBindConfig = create(ClusterSchema, {
    upstreamBindConfig: {
      sourceAddress: bind(first!),
      extraSourceAddresses: others.map((address) => ({ address: bind(address) })),
    },
  }).upstreamBindConfig;
}
