import type { Filter } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import type { RouteDestination } from '../../config/kinds/virtual-service/schema.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { statName } from '../cluster/stat-name.ts';
import { dnsCacheOf, sniForwardProxyFilter } from '../dynamic-dns.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import { outboundCluster } from '../names.ts';
import type { ProxyView } from '../proxy-view.ts';
import { destinationCluster } from '../route/http-route.ts';
import { authorizationOf } from '../security/authorization.ts';
import { networkFilters } from './filters.ts';
import { protocolFilters } from './protocol-filters.ts';
import { tcpProxyFilter } from './tcp-proxy.ts';

/** The filters of connections that a TCP or TLS rule of a VirtualService takes. */
export function ruleFilters(
  proxy: ProxyView,
  routes: readonly RouteDestination[],
  port: ServicePort,
  owner: { readonly name: string; readonly namespace: string },
  exchanges: boolean,
): Filter[] {
  const listenerClass = proxy.outboundClass;
  const service = (route: RouteDestination) => proxy.scope.byHost.get(route.destination.host);
  const first = routes[0]!;
  const firstService = service(first);
  const rule = firstService && proxy.destinationRule(firstService);
  if (routes.length > 1) {
    const clusters = routes
      .filter(({ weight }) => (weight ?? 0) > 0)
      .map((route) => ({
        name: destinationCluster(route.destination, service(route), port.port),
        weight: route.weight!,
      }));
    const statPrefix = `${owner.name}.${owner.namespace}`;
    const terminal = tcpProxyFilter(proxy, { listenerClass, statPrefix, cluster: clusters, rule, tunnels: true });
    // Redis cannot be split: all of it goes where the first destination is.
    const cluster = destinationCluster(first.destination, firstService, port.port);
    const ends = protocolFilters(proxy, port.protocol, terminal, statPrefix, cluster);
    return networkFilters(proxy, { listenerClass, port: port.port }, ends, exchanges);
  }
  const { destination } = first;
  const subset = destination.subset ?? '';
  const cluster = destinationCluster(destination, firstService, port.port);
  const statPrefix = outboundStatPrefix(proxy, firstService, destination.host, subset, port) ?? cluster;
  const terminal = tcpProxyFilter(proxy, { listenerClass, statPrefix, cluster, rule, subset, tunnels: true });
  const ends = protocolFilters(proxy, port.protocol, terminal, statPrefix, cluster);
  return networkFilters(proxy, { listenerClass, port: port.port }, ends, exchanges);
}

/** The filters of connections to a service for which there is no rule. */
export function serviceFilters(proxy: ProxyView, service: Service, port: ServicePort): Filter[] {
  const listenerClass = proxy.outboundClass;
  // A Sidecar's listener may have another port than the service: then the service's only one is meant.
  const number = service.ports.length === 1 ? service.ports[0]!.port : port.port;
  const cluster = outboundCluster(number, '', service.hostname);
  const statPrefix = outboundStatPrefix(proxy, service, service.hostname, '', { port: number, name: '' }) ?? cluster;
  const rule: DestinationRule | undefined = proxy.destinationRule(service);
  const terminal = tcpProxyFilter(proxy, { listenerClass, statPrefix, cluster, rule, tunnels: true });
  const cache = dnsCacheOf(proxy, service);
  // Whoever may name hosts by a wildcard is asked, as the service's own proxy would.
  const guards = cache === undefined ? undefined : authorizationOf(proxy, service.namespace);
  const ends =
    cache === undefined
      ? protocolFilters(proxy, port.protocol, terminal, statPrefix, cluster)
      : [sniForwardProxyFilter(cache, number), terminal];
  return networkFilters(proxy, { listenerClass, port: port.port }, ends, false, guards);
}

/** The cluster's name in statistics by `outboundClusterStatName`; undefined where it is the cluster's own. */
export function outboundStatPrefix(
  { mesh }: ProxyView,
  service: Service | undefined,
  hostname: string,
  subset: string,
  port: Pick<ServicePort, 'port' | 'name'>,
): string | undefined {
  const pattern = mesh.outboundClusterStatName;
  if (!pattern || service === undefined) return undefined;
  return statName(pattern, { hostname, subset, port, targetPort: 0, service });
}
