import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Filter, FilterChainSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type Listener, ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { unknownHostsCache } from '../dynamic-dns.ts';
import { httpInspector } from '../filters/listener-filters.ts';
import { httpConnectionManagerFilter } from '../http/connection-manager.ts';
import {
  BLACKHOLE_CLUSTER,
  delimited,
  PASSTHROUGH_CLUSTER,
  VIRTUAL_OUTBOUND,
  VIRTUAL_OUTBOUND_BLACKHOLE,
  VIRTUAL_OUTBOUND_CATCH_ALL,
  VIRTUAL_OUTBOUND_CATCH_ALL_HTTP,
} from '../names.ts';
import { tcpStatsFilters } from '../network/filters.ts';
import { tcpProxyFilter } from '../network/tcp-proxy.ts';
import { socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { destinationCluster } from '../route/http-route.ts';
import { routeTableMessage } from '../route/route-table.ts';
import { ALLOW_ANY_DYNAMIC_DNS, unknownOnly } from '../route/sidecar-table.ts';
import { accessLogs } from '../telemetry/access-log.ts';
import { acceptLimit, additionalAddresses } from './bind.ts';
import { plainHttpProtocols } from './filter-chain.ts';

/** What becomes of connections to destinations that the mesh does not know. */
export function unknownTrafficFilters(proxy: ProxyView): Filter[] {
  const { egressProxy, mode } = proxy.scope.outbound;
  const cluster =
    mode === 'REGISTRY_ONLY'
      ? BLACKHOLE_CLUSTER
      : egressProxy === undefined
        ? PASSTHROUGH_CLUSTER
        : destinationCluster(egressProxy, undefined, 0);
  const terminal = tcpProxyFilter(proxy, { listenerClass: 'outbound', statPrefix: cluster, cluster });
  return [...tcpStatsFilters(proxy, 'outbound'), terminal];
}

/** The chain of HTTP to destinations that the mesh does not know, where its hosts are resolved. */
function unknownHttpChains(proxy: ProxyView): MessageInitShape<typeof FilterChainSchema>[] {
  if (unknownHostsCache(proxy) === undefined) return [];
  const manager = httpConnectionManagerFilter(proxy, {
    listenerClass: 'outbound',
    port: 0,
    statPrefix: delimited(`outbound_${VIRTUAL_OUTBOUND}_${ALLOW_ANY_DYNAMIC_DNS}`),
    routes: routeTableMessage(unknownOnly(proxy, ALLOW_ANY_DYNAMIC_DNS)),
    grpcWeb: false,
    http2: false,
    forwardProxy: false,
  });
  return [
    {
      name: VIRTUAL_OUTBOUND_CATCH_ALL_HTTP,
      filterChainMatch: { applicationProtocols: plainHttpProtocols(proxy) },
      filters: [manager],
    },
  ];
}

/** Ends every connection: its cluster has no endpoints. */
export function blackHoleFilter(proxy: ProxyView, listenerClass: 'inbound' | 'outbound'): Filter {
  return tcpProxyFilter(proxy, {
    listenerClass,
    statPrefix: BLACKHOLE_CLUSTER,
    cluster: BLACKHOLE_CLUSTER,
    silent: true,
  });
}

/**
 * The listener to which iptables sends all that a program sends out, and which hands it on by its destination. Undefined
 * where nothing is intercepted.
 */
export function virtualOutboundListener(proxy: ProxyView): Listener | undefined {
  const { mesh, node, wildcards } = proxy;
  if (node.interceptionMode === 'NONE') return undefined;
  const [address, ...others] = wildcards;
  const port = mesh.proxyListenPort;
  const unknownHttp = unknownHttpChains(proxy);
  return create(ListenerSchema, {
    name: VIRTUAL_OUTBOUND,
    address: socketAddress(address, port),
    additionalAddresses: additionalAddresses(proxy, others, port),
    ...(node.interceptionMode === 'TPROXY' ? { transparent: true } : {}),
    useOriginalDst: true,
    filterChains: [
      {
        name: VIRTUAL_OUTBOUND_BLACKHOLE,
        // Sent to the listener itself, a connection would be handed to it again and again.
        filterChainMatch: { destinationPort: port },
        filters: [...tcpStatsFilters(proxy, 'outbound'), blackHoleFilter(proxy, 'outbound')],
      },
      ...unknownHttp,
      { name: VIRTUAL_OUTBOUND_CATCH_ALL, filters: unknownTrafficFilters(proxy) },
    ],
    ...(unknownHttp.length > 0 ? { listenerFilters: [httpInspector()] } : {}),
    trafficDirection: TrafficDirection.OUTBOUND,
    ...acceptLimit(proxy),
    accessLog: [...accessLogs(proxy, 'outbound').listener],
  });
}
