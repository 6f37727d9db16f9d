import type { SocketAddress as AddressProto, BindConfig } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { SocketAddress } from '../net/connection.ts';
import { socketAddress } from '../net/socket-address.ts';
import { socketOptions } from '../net/socket-option-config.ts';
import { freebind, type SocketOption } from '../net/socket-options.ts';

/** What connections are made from. */
export interface Source {
  /** Undefined where the system chooses. */
  readonly address: SocketAddress | undefined;
  readonly options: readonly SocketOption[];
}

/** `upstream_bind_config`: what connections are made from, by the family of the address that they go to. */
export interface Binding {
  readonly 4?: Source;
  readonly 6?: Source;
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
/** The first address of a family is taken: what Envoy does where nothing else is asked for. */
const SELECTOR = 'envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector';

/** Reads `upstream_bind_config`; undefined where the system chooses the address. */
export function bindingOf(proto: BindConfig | undefined, errors: ConfigErrors): Binding | undefined {
  if (proto === undefined) return undefined;
  const { sourceAddress, extraSourceAddresses, additionalSourceAddresses, localAddressSelector: selector } = proto;
  if (selector !== undefined && typeNameOf(selector.typedConfig?.typeUrl ?? '') !== SELECTOR) {
    errors.add('local_address_selector', `${selector.typedConfig?.typeUrl || selector.name} is not supported`);
  }
  const common = socketOptions(proto.socketOptions, errors.at('socket_options'));
  if (sourceAddress === undefined) {
    if (extraSourceAddresses.length + additionalSourceAddresses.length > 0) {
      errors.add('source_address', 'is needed where there are extra_source_addresses');
    }
    if (common.length === 0) return undefined;
    const source: Source = { address: undefined, options: common };
    return { 4: source, 6: source };
  }
  if (extraSourceAddresses.length > 0 && additionalSourceAddresses.length > 0) {
    errors.add('additional_source_addresses', 'cannot be combined with extra_source_addresses');
  }
  if (extraSourceAddresses.length > 1 || additionalSourceAddresses.length > 1) {
    errors.add('extra_source_addresses', 'must not be more than one');
  }
  const binding: { 4?: Source; 6?: Source } = {};
  const add = (value: AddressProto | undefined, options: readonly SocketOption[], at: ConfigErrors) => {
    const address =
      value &&
      socketAddress({ $typeName: 'envoy.config.core.v3.Address', address: { case: 'socketAddress', value } }, at);
    if (address === undefined || address.family === 0) return;
    const free = proto.freebind ? [freebind(address.family)] : [];
    binding[address.family] ??= { address, options: [...free, ...options] };
  };
  add(sourceAddress, common, errors.at('source_address'));
  extraSourceAddresses.forEach(({ address, socketOptions: own }, i) => {
    const at = errors.at('extra_source_addresses').at(i);
    add(address, own ? socketOptions(own.socketOptions, at.at('socket_options')) : common, at);
  });
  additionalSourceAddresses.forEach((address, i) => {
    add(address, common, errors.at('additional_source_addresses').at(i));
  });
  return binding;
}

/**
 * What a connection is made from, if that is not all left to the system: a wildcard without a port leaves the choice of
 * the address to it, as no address does.
 */
export function sourceFor(binding: Binding | undefined, to: SocketAddress): Source | undefined {
  const source = binding && to.family !== 0 ? binding[to.family] : undefined;
  if (source?.address === undefined || !WILDCARDS.has(source.address.address) || source.address.port !== 0)
    return source;
  return source.options.length === 0 ? undefined : { ...source, address: undefined };
}
