import ipaddr from 'ipaddr.js';

const ZERO = 48;
const NINE = 57;

export function isIpv4(text: string): boolean {
  // Names of hosts are asked about far more often than addresses, and hardly one ends in a digit.
  const last = text.charCodeAt(text.length - 1);
  return last >= ZERO && last <= NINE && ipaddr.IPv4.isValidFourPartDecimal(text);
}

export function isIpv6(text: string): boolean {
  return text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text);
}

export function isIp(text: string): boolean {
  return isIpv4(text) || isIpv6(text);
}

const LOCAL_RANGES: ReadonlySet<string> = new Set(['broadcast', 'linkLocal', 'loopback', 'multicast', 'unspecified']);

/** Whether others can reach an address: it is of one host, and not only of its own or its link. Private ones count. */
export function isGlobalUnicast(text: string): boolean {
  return isIp(text) && !LOCAL_RANGES.has(ipaddr.parse(text).range());
}

/** An address with the number of its bits that count. */
export interface Prefix {
  readonly address: string;
  readonly length: number;
}

/** `10.0.0.0/8`, or an address alone, which is a prefix of its full length; undefined for anything else. The address is not masked. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : 0;
  if (bits === 0) return undefined;
  if (slash === -1) return { address, length: bits };
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits)) return undefined;
  const length = Number(digits);
  return length <= bits ? { address, length } : undefined;
}

/** One spelling for prefixes that cover the same addresses: masked, the address in its canonical form. */
export function canonicalPrefix(prefix: Prefix): string {
  const kind = isIpv4(prefix.address) ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${kind.networkAddressFromCIDR(`${prefix.address}/${prefix.length}`).toString()}/${prefix.length}`;
}

/** The canonical spelling of an address, so that two spellings of one address are equal; other text is left alone. */
export function canonicalAddress(text: string): string {
  return isIpv6(text) ? ipaddr.IPv6.parse(text).toRFC5952String() : text;
}
