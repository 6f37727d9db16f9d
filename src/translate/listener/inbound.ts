import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { type FilterChain, FilterChainSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type Listener, ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { originalDestination, originalSource } from '../filters/listener-filters.ts';
import type { PeerPolicy } from '../index/peer-authentication.ts';
import { listenerName, VIRTUAL_INBOUND, VIRTUAL_INBOUND_BLACKHOLE } from '../names.ts';
import { exchangeFilters, tcpStatsFilters } from '../network/filters.ts';
import { optionalDuration, socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { accessLogs } from '../telemetry/access-log.ts';
import { acceptLimit, additionalAddresses, type Binding, exactBalance } from './bind.ts';
import { inboundChains } from './inbound-chains.ts';
import { inboundPorts, passthroughPort } from './inbound-ports.ts';
import { inspectorsFor } from './inspectors.ts';
import type { BuiltListener } from './outbound.ts';
import { blackHoleFilter } from './virtual-outbound.ts';

/**
 * The listeners of a sidecar for its program. Where traffic is intercepted, one takes it all, with chains for each port;
 * ports that a Sidecar asks to be taken themselves have listeners of their own.
 */
export function inboundListeners(proxy: ProxyView): BuiltListener[] {
  const policy = peerPolicyOf(proxy);
  const own: BuiltListener[] = [];
  const virtual: { chains: FilterChain[]; sources: BuiltListener['sources'][number][] } = { chains: [], sources: [] };
  for (const port of inboundPorts(proxy)) {
    const chains = inboundChains(proxy, port, policy.ports.get(port.targetPort) ?? policy.mode);
    const { binding, sources, targetPort } = port;
    if (binding.bindToPort) {
      const name = listenerName(binding.addresses[0]!, targetPort);
      own.push({ listener: build(proxy, name, binding, targetPort, chains), sources });
    } else {
      virtual.chains.push(...chains);
      virtual.sources.push(...sources);
    }
  }
  if (proxy.node.interceptionMode === 'NONE') return own;
  const binding = { addresses: proxy.wildcards, bindToPort: false };
  const chains = [blackHoleChain(proxy), ...passthroughChains(proxy, policy), ...virtual.chains];
  const listener = build(proxy, VIRTUAL_INBOUND, binding, proxy.mesh.proxyInboundListenPort, chains);
  return [{ listener, sources: virtual.sources }, ...own];
}

function peerPolicyOf({ indexes, labels, namespace }: ProxyView): PeerPolicy {
  return indexes.peerAuthentication.for({ namespace, labels });
}

function build(proxy: ProxyView, name: string, binding: Binding, port: number, filterChains: FilterChain[]): Listener {
  const { mesh, node } = proxy;
  const [address, ...others] = binding.addresses;
  const intercepted = !binding.bindToPort;
  const keepsSource = intercepted && node.interceptionMode === 'TPROXY';
  const timeout = optionalDuration(mesh.protocolDetectionTimeout);
  return create(ListenerSchema, {
    name,
    address: socketAddress(address!, port),
    additionalAddresses: additionalAddresses(proxy, others, port),
    trafficDirection: TrafficDirection.INBOUND,
    continueOnListenerFiltersTimeout: true,
    ...acceptLimit(proxy),
    ...(node.inboundExactBalance ? { connectionBalanceConfig: exactBalance() } : {}),
    ...(keepsSource ? { transparent: true } : {}),
    accessLog: [...accessLogs(proxy, 'inbound').listener],
    filterChains,
    listenerFilters: [
      ...(intercepted ? [originalDestination()] : []),
      ...(keepsSource ? [originalSource()] : []),
      ...inspectorsFor(filterChains),
    ],
    ...(timeout === undefined ? {} : { listenerFiltersTimeout: timeout }),
  });
}

/** Sent to the listener itself, a connection would be handed to it again and again. */
function blackHoleChain(proxy: ProxyView): FilterChain {
  return create(FilterChainSchema, {
    name: VIRTUAL_INBOUND_BLACKHOLE,
    filterChainMatch: { destinationPort: proxy.mesh.proxyInboundListenPort },
    filters: [...exchangeFilters(proxy), ...tcpStatsFilters(proxy, 'inbound'), blackHoleFilter(proxy, 'inbound')],
  });
}

/** For all ports that nobody declared, and those of them for which a policy has a mode of their own. */
function passthroughChains(proxy: ProxyView, { mode, ports }: PeerPolicy): FilterChain[] {
  const ingress = proxy.scope.sidecar?.spec.ingress ?? [];
  const declared = new Set(
    ingress.length > 0 ? ingress.map(({ port }) => port.number ?? 0) : proxy.targets.map((target) => target.targetPort),
  );
  const special = [...ports].filter(([port]) => !declared.has(port)).sort(([a], [b]) => a - b);
  return [
    ...inboundChains(proxy, passthroughPort(proxy, 0), mode),
    ...special.flatMap(([port, own]) => inboundChains(proxy, passthroughPort(proxy, port), own)),
  ];
}
