import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { type Address, AddressSchema } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import type { StringMatch } from '../../config/kinds/shared/http-policy.ts';
import { isIp, type Prefix, parsePrefix } from '../../registry/address.ts';

/** Milliseconds, to the nanosecond, as a message. */
export function duration(milliseconds: number): Duration {
  const seconds = Math.floor(milliseconds / 1000);
  const nanos = Math.round((milliseconds - seconds * 1000) * 1e6);
  return create(DurationSchema, { seconds: BigInt(seconds + Math.floor(nanos / 1e9)), nanos: nanos % 1e9 });
}

/** A Duration of milliseconds; undefined stays undefined. */
export function optionalDuration(milliseconds: number | undefined): Duration | undefined {
  return milliseconds === undefined ? undefined : duration(milliseconds);
}

/** An IP address or DNS name with a port; without a port, the path of a Unix socket. */
export function socketAddress(address: string, port: number): Address {
  const path = address.startsWith('unix://') ? address.slice('unix://'.length) : address;
  if (port === 0 && !isIp(address)) return create(AddressSchema, { address: { case: 'pipe', value: { path } } });
  return create(AddressSchema, {
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  });
}

/** Init of `envoy.config.core.v3.CidrRange`. */
export function cidr(prefix: Prefix) {
  return { addressPrefix: prefix.address, prefixLen: prefix.length };
}

/** An address or CIDR as a person wrote it; undefined if it is neither. */
export function cidrOf(text: string) {
  const prefix = parsePrefix(text);
  return prefix && cidr(prefix);
}

/** Inits of envoy.type.matcher.v3.StringMatcher. */
export const exact = (value: string) => ({ matchPattern: { case: 'exact' as const, value } });
export const prefixed = (value: string) => ({ matchPattern: { case: 'prefix' as const, value } });
export const suffixed = (value: string) => ({ matchPattern: { case: 'suffix' as const, value } });
export const regex = (value: string) => ({ matchPattern: { case: 'safeRegex' as const, value: { regex: value } } });

/** Istio's StringMatch as Envoy's; undefined if it names no way to match. */
export function stringMatcher(match: StringMatch) {
  if (match.exact !== undefined) return exact(match.exact);
  if (match.prefix !== undefined) return prefixed(match.prefix);
  return match.regex === undefined ? undefined : regex(match.regex);
}
