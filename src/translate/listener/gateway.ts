import { create } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { proxyProtocol, tlsInspector } from '../filters/listener-filters.ts';
import { connectionSettings } from '../http/connection-settings.ts';
import { listenerName } from '../names.ts';
import { socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { accessLogs } from '../telemetry/access-log.ts';
import { acceptLimit, additionalAddresses, exactBalance } from './bind.ts';
import { buildChain, type ChainSpec, chainMatch, conflict, needsTlsInspector } from './filter-chain.ts';
import { type ClaimedNames, gatewayChains } from './gateway-chains.ts';
import type { BuiltListener } from './outbound.ts';

interface Entry {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly chains: ChainSpec[];
}

/** The listeners of a gateway: one for each address and port of its servers that leads anywhere. */
export function gatewayListeners(proxy: ProxyView): BuiltListener[] {
  const entries = new Map<string, Entry>();
  const claimed = new Map<number, ClaimedNames>();
  for (const port of proxy.gateway?.ports ?? []) {
    if (proxy.node.unprivileged && port.port < 1024) continue;
    const addresses = port.bind === '' ? proxy.wildcards : [port.bind];
    const names = claimed.get(port.port) ?? new Map();
    claimed.set(port.port, names);
    const chains = gatewayChains(proxy, port, addresses[0]!, names);
    const name = listenerName(addresses[0]!, port.port);
    const entry = entries.get(name);
    // Of plain servers that differ in their protocol only, the first one's chain takes everything; its routes are for all.
    if (entry) entry.chains.push(...chains.filter((spec) => !entry.chains.some((other) => conflict(other, spec))));
    else entries.set(name, { addresses, port: port.port, chains });
  }
  return [...entries].flatMap(([name, entry]) => (entry.chains.length === 0 ? [] : [build(proxy, name, entry)]));
}

function build(proxy: ProxyView, name: string, { addresses, chains, port }: Entry): BuiltListener {
  const [address, ...others] = addresses;
  const bufferLimit = connectionSettings(proxy)?.listenerPerConnectionBufferLimitBytes;
  const listener = create(ListenerSchema, {
    name,
    address: socketAddress(address!, port),
    additionalAddresses: additionalAddresses(proxy, others, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    ...(proxy.node.outboundExactBalance ? { connectionBalanceConfig: exactBalance() } : {}),
    ...acceptLimit(proxy),
    ...(bufferLimit === undefined ? {} : { perConnectionBufferLimitBytes: bufferLimit }),
    listenerFilters: [
      ...(proxy.config.gatewayTopology?.proxyProtocol === undefined ? [] : [proxyProtocol()]),
      ...(chains.some(needsTlsInspector) ? [tlsInspector()] : []),
    ],
    filterChains: chains.map((spec) => {
      const built = buildChain(proxy, spec);
      const match = chainMatch(spec);
      if (match !== undefined) built.filterChainMatch = match;
      return built;
    }),
    accessLog: [...accessLogs(proxy, 'gateway').listener],
  });
  return { listener, sources: chains.flatMap((spec) => spec.sources) };
}
