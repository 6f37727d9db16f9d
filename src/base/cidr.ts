import ipaddr from 'ipaddr.js';

/** A set of address ranges. IPv4 addresses in IPv6 form count as what they stand for. */
export interface CidrSet {
  readonly empty: boolean;
  contains(address: string): boolean;
}

export interface CidrRange {
  readonly address: string;
  /** Number of leading bits that count. */
  readonly length: number;
}

const NONE: CidrSet = { empty: true, contains: () => false };

/** Whether it is an address as people write them: not `10.1`, which inet_aton(3) takes for 10.0.0.1. */
function isAddress(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
}

/** Throws an Error that names the range which is none. */
export function cidrSet(ranges: readonly CidrRange[]): CidrSet {
  if (ranges.length === 0) return NONE;
  const parsed = ranges.map(({ address, length }) => {
    if (!isAddress(address)) throw new Error(`${JSON.stringify(address)} is not an IP address`);
    const base = ipaddr.process(address);
    const bits = base.kind() === 'ipv4' ? 32 : 128;
    if (!(length >= 0 && length <= bits)) throw new Error(`${address}/${length} is not an address range`);
    return [base, length] as const;
  });
  return {
    empty: false,
    contains(text) {
      if (!isAddress(text)) return false;
      const address = ipaddr.process(text);
      return parsed.some(([base, length]) => base.kind() === address.kind() && address.match(base as never, length));
    },
  };
}

/** An address of IPv6 in its canonical form (RFC 5952). Throws an Error for anything else. */
export function canonicalIpv6(text: string): string {
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? `::ffff:${address.toIPv4Address()}` : address.toRFC5952String();
}

/** An address without all but its `length` leading bits, in its canonical form; undefined for what is no address. */
export function maskAddress(address: string, length: number): string | undefined {
  if (!isAddress(address)) return undefined;
  const parsed = ipaddr.parse(address);
  if (parsed.kind() === 'ipv4') return ipaddr.IPv4.networkAddressFromCIDR(`${address}/${length}`).toString();
  return ipaddr.IPv6.networkAddressFromCIDR(`${address}/${length}`).toRFC5952String();
}

/** Reads `10.0.0.0/8`, or an address alone, which is a range of one. Undefined for anything else. */
export function parseCidr(text: string): CidrRange | undefined {
  const [address, bits, more] = text.split('/');
  if (more !== undefined || !isAddress(address)) return undefined;
  const max = address.includes(':') ? 128 : 32;
  const length = bits === undefined ? max : Number(bits);
  return Number.isInteger(length) && length >= 0 && length <= max && bits !== '' ? { address, length } : undefined;
}
