import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Filter } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type Listener, ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import {
  BLACKHOLE_CLUSTER,
  PASSTHROUGH_CLUSTER,
  VIRTUAL_OUTBOUND,
  VIRTUAL_OUTBOUND_BLACKHOLE,
  VIRTUAL_OUTBOUND_CATCH_ALL,
} from '../names.ts';
import { tcpStatsFilters } from '../network/filters.ts';
import { tcpProxyFilter } from '../network/tcp-proxy.ts';
import { socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { destinationCluster } from '../route/http-route.ts';
import { accessLogs } from '../telemetry/access-log.ts';
import { acceptLimit, additionalAddresses } from './bind.ts';

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
      { name: VIRTUAL_OUTBOUND_CATCH_ALL, filters: unknownTrafficFilters(proxy) },
    ],
    trafficDirection: TrafficDirection.OUTBOUND,
    ...acceptLimit(proxy),
    accessLog: [...accessLogs(proxy, 'outbound').listener],
  });
}
