import { create } from '@bufbuild/protobuf';
import {
  type AdditionalAddress,
  AdditionalAddressSchema,
  type Listener_ConnectionBalanceConfig,
  Listener_ConnectionBalanceConfigSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { isHttp, type Protocol } from '../../registry/protocol.ts';
import { socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';

/** Where a listener stands. */
export interface Binding {
  /** The first is the one that it is named by; none is left to be found out. */
  readonly addresses: readonly string[];
  /** Whether it really takes the port, or only what another listener redirects to it. */
  readonly bindToPort: boolean;
}

/** Where else a listener stands; nowhere unless the mesh has dual stack. */
export function additionalAddresses(
  { features }: ProxyView,
  addresses: readonly string[],
  port: number,
): AdditionalAddress[] {
  return features.dualStack ? everyAddress(addresses, port) : [];
}

/** The addresses that a listener has besides its first. */
export function everyAddress(addresses: readonly string[], port: number): AdditionalAddress[] {
  return addresses.map((address) => create(AdditionalAddressSchema, { address: socketAddress(address, port) }));
}

/** Connections are spread over workers one by one (`exactBalance` of a sidecar's inbound listeners). */
export function exactBalance(): Listener_ConnectionBalanceConfig {
  return create(Listener_ConnectionBalanceConfigSchema, { balanceType: { case: 'exactBalance', value: {} } });
}

/** How many connections a listener that really takes its port accepts at once: many would keep others waiting. */
export function acceptLimit({ features }: ProxyView): { maxConnectionsToAcceptPerSocketEvent?: number } {
  const limit = features.maxConnectionsPerSocketEvent;
  return limit > 0 ? { maxConnectionsToAcceptPerSocketEvent: limit } : {};
}

/**
 * Whether the proxy may stand on a port: one without privileges not below 1024, and nobody on the ports of the proxy's
 * own listeners. Those to which traffic is redirected are not asked about for a Sidecar's ingress.
 */
export function canBind(
  { mesh, node, wildcards }: ProxyView,
  bindToPort: boolean,
  address: string,
  port: number,
  protocol: Protocol,
  ofIngress: boolean,
): boolean {
  if (bindToPort && node.unprivileged && port > 0 && port < 1024) return false;
  // HTTP without an address of its own stands on all of them.
  const everywhere = address === '' ? isHttp(protocol) : address === wildcards[0];
  if (!everywhere) return true;
  if (node.reservedPorts.includes(port)) return false;
  return ofIngress || (port !== mesh.proxyListenPort && port !== mesh.proxyInboundListenPort);
}
