import type { BindConfig } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { SocketAddress } from '../net/connection.ts';
import { socketAddress } from '../net/socket-address.ts';

/** `upstream_bind_config`: what connections are made from, by the family of the address that they go to. */
export interface Binding {
  readonly 4?: SocketAddress;
  readonly 6?: SocketAddress;
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** Reads `upstream_bind_config`; undefined where the system chooses the address. */
export function bindingOf(proto: BindConfig | undefined, errors: ConfigErrors): Binding | undefined {
  if (proto === undefined) return undefined;
  const { sourceAddress, extraSourceAddresses, additionalSourceAddresses } = proto;
  if (sourceAddress === undefined) {
    if (extraSourceAddresses.length + additionalSourceAddresses.length > 0) {
      errors.add('source_address', 'is needed where there are extra_source_addresses');
    }
    return undefined;
  }
  if (extraSourceAddresses.length > 0 && additionalSourceAddresses.length > 0) {
    errors.add('additional_source_addresses', 'cannot be combined with extra_source_addresses');
  }
  if (extraSourceAddresses.length > 1 || additionalSourceAddresses.length > 1) {
    errors.add('extra_source_addresses', 'must not be more than one');
  }
  const all = [
    [sourceAddress, errors.at('source_address')] as const,
    ...extraSourceAddresses.map(({ address }, i) => [address, errors.at('extra_source_addresses').at(i)] as const),
    ...additionalSourceAddresses.map(
      (address, i) => [address, errors.at('additional_source_addresses').at(i)] as const,
    ),
  ];
  const binding: { 4?: SocketAddress; 6?: SocketAddress } = {};
  for (const [value, at] of all) {
    const address =
      value &&
      socketAddress({ $typeName: 'envoy.config.core.v3.Address', address: { case: 'socketAddress', value } }, at);
    if (address === undefined || address.family === 0) continue;
    binding[address.family] ??= address;
  }
  return binding;
}

/** The address to bind to, if any. A wildcard without a port leaves the choice to the kernel, as no address does. */
export function sourceFor(binding: Binding | undefined, to: SocketAddress): SocketAddress | undefined {
  const source = binding && to.family !== 0 ? binding[to.family] : undefined;
  return source === undefined || (WILDCARDS.has(source.address) && source.port === 0) ? undefined : source;
}
