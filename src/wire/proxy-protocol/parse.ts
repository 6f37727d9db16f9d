import ipaddr from 'ipaddr.js';
import { latin1Slice } from '../../base/bytes.ts';
import {
  FAMILIES,
  type ProxyAddress,
  type ProxyHeader,
  type ProxyTransport,
  SIGNATURE_V1,
  SIGNATURE_V2,
  type Tlv,
  UNIX_PATH_SIZE,
} from './header.ts';

export type ProxyProtocolResult =
  | { readonly kind: 'need-more' }
  /** The connection begins with something else. */
  | { readonly kind: 'not-present' }
  /** It begins like a header and is none: the connection is to be closed. */
  | { readonly kind: 'error'; readonly reason: string }
  /** `length` octets are the header; what follows is the connection's. */
  | { readonly kind: 'header'; readonly header: ProxyHeader; readonly length: number };

/** The longest line of version 1, its end included. */
const MAX_LINE = 107;
const V2_FIXED = 16;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;

/** The reason where a header is well formed, and tells of an address that no connection has. */
export const NOT_UNICAST = 'not a unicast address';

const NEED_MORE: ProxyProtocolResult = { kind: 'need-more' };
const NOT_PRESENT: ProxyProtocolResult = { kind: 'not-present' };
const error = (reason: string): ProxyProtocolResult => ({ kind: 'error', reason });

/**
 * Looks for a PROXY protocol header at the start of a connection: all octets that have come, `start` to `end` of
 * `bytes`. A header has 16 + 65,535 octets at most, and nothing is asked for beyond it.
 */
export function parseProxyProtocol(bytes: Uint8Array, start: number, end: number): ProxyProtocolResult {
  const version = proxyProtocolVersion(bytes, start, end);
  if (version === undefined) return NEED_MORE;
  if (version === 'none') return NOT_PRESENT;
  return version === 2 ? parseV2(bytes, start, end) : parseV1(bytes, start, end);
}

/** Which version a connection begins with; undefined while that cannot be told. */
export function proxyProtocolVersion(bytes: Uint8Array, start: number, end: number): 1 | 2 | 'none' | undefined {
  const v2 = beginsWith(bytes, start, end, SIGNATURE_V2);
  if (v2 === 'yes') return 2;
  const v1 = beginsWith(bytes, start, end, SIGNATURE_V1);
  if (v1 === 'yes') return 1;
  return v1 === 'no' && v2 === 'no' ? 'none' : undefined;
}

function beginsWith(bytes: Uint8Array, start: number, end: number, signature: Uint8Array): 'yes' | 'no' | 'so-far' {
  const length = Math.min(end - start, signature.length);
  for (let i = 0; i < length; i++) if (bytes[start + i] !== signature[i]) return 'no';
  return length === signature.length ? 'yes' : 'so-far';
}

function parseV1(bytes: Uint8Array, start: number, end: number): ProxyProtocolResult {
  const text = latin1Slice(bytes, start, Math.min(end, start + MAX_LINE));
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) return text.length === MAX_LINE ? error('line too long') : NEED_MORE;
  const length = lineEnd + 2;
  const line = text.slice(SIGNATURE_V1.length, lineEnd);
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) {
    return { kind: 'header', header: { version: 1, addresses: undefined, tlvs: [] }, length };
  }
  // A space at the end is no field, as Envoy reads it.
  const [protocol, from, to, fromPort, toPort, ...rest] = line.replace(/ $/, '').split(' ');
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return error('unknown protocol');
  if (toPort === undefined || rest.length > 0) return error('not five fields');
  const canonical = protocol === 'TCP4' ? canonicalIPv4 : canonicalIPv6;
  const source = addressOf(canonical(from), fromPort);
  const destination = addressOf(canonical(to), toPort);
  if (source === undefined || destination === undefined) return error('bad address or port');
  if (!isUnicast(source) || !isUnicast(destination)) return error(NOT_UNICAST);
  const addresses = { transport: protocol === 'TCP4' ? 'tcp4' : 'tcp6', source, destination } as const;
  return { kind: 'header', header: { version: 1, addresses, tlvs: [] }, length };
}

function addressOf(address: string | undefined, port: string): ProxyAddress | undefined {
  // Signs and zeros in front are not what the specification has, but Envoy takes them.
  if (address === undefined || !/^\+?\d{1,5}$/.test(port) || Number(port) > 65535) return undefined;
  return { address, port: Number(port) };
}

function canonicalIPv4(text: string): string | undefined {
  const part = /^(0|[1-9]\d{0,2})$/;
  const parts = text.split('.');
  return parts.length === 4 && parts.every((p) => part.test(p) && Number(p) < 256) ? text : undefined;
}

function canonicalIPv6(text: string): string | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  return formatIPv6(ipaddr.IPv6.parse(text));
}

/** RFC 5952, where addresses that stand for IPv4 ones show them (section 5). */
function formatIPv6(address: ipaddr.IPv6): string {
  return address.isIPv4MappedAddress() ? `::ffff:${address.toIPv4Address()}` : address.toRFC5952String();
}

/** TCP has one peer at each end: not everybody, a group, or nobody. */
function isUnicast({ address }: ProxyAddress): boolean {
  if (address === '0.0.0.0' || address === '::') return false;
  const range = ipaddr.parse(address).range();
  return range !== 'broadcast' && range !== 'multicast';
}

function parseV2(bytes: Uint8Array, start: number, end: number): ProxyProtocolResult {
  const fixed = start + SIGNATURE_V2.length;
  if (end > fixed && bytes[fixed] !== V2_LOCAL && bytes[fixed] !== V2_PROXY) return error('unknown version or command');
  if (end - start < V2_FIXED) return NEED_MORE;
  const local = bytes[fixed] === V2_LOCAL;
  const family = bytes[fixed + 1];
  const body = start + V2_FIXED;
  const bodyEnd = body + ((bytes[fixed + 2] << 8) | bytes[fixed + 3]);
  const length = bodyEnd - start;
  if (local) {
    // Whatever else it says is to be ignored.
    if (end < bodyEnd) return NEED_MORE;
    return { kind: 'header', header: { version: 2, addresses: undefined, tlvs: [] }, length };
  }
  const shape = FAMILIES.find(({ code }) => code === family);
  // Unspecified ones too, as with Envoy: who would speak for nobody says LOCAL.
  if (shape === undefined) return error('unknown address family or protocol');
  const { size } = shape;
  if (bodyEnd - body < size) return error('too short for its addresses');
  if (end < bodyEnd) return NEED_MORE;
  const tlvs = parseTlvs(bytes, body + size, bodyEnd);
  if (tlvs === undefined) return error('malformed extensions');
  const [source, destination] = readAddresses(shape.transport, bytes, body);
  if (size < 2 * UNIX_PATH_SIZE && !(isUnicast(source) && isUnicast(destination))) {
    return error(NOT_UNICAST);
  }
  const addresses = { transport: shape.transport, source, destination };
  return { kind: 'header', header: { version: 2, addresses, tlvs }, length };
}

function readAddresses(transport: ProxyTransport, bytes: Uint8Array, at: number): [ProxyAddress, ProxyAddress] {
  if (transport === 'unix' || transport === 'unix-datagram') {
    return [readPath(bytes, at), readPath(bytes, at + UNIX_PATH_SIZE)];
  }
  const size = transport === 'tcp4' || transport === 'udp4' ? 4 : 16;
  const ports = at + 2 * size;
  const read = (from: number, port: number): ProxyAddress => ({
    address: formatAddress(bytes.subarray(from, from + size)),
    port: (bytes[port] << 8) | bytes[port + 1],
  });
  return [read(at, ports), read(at + size, ports + 2)];
}

function formatAddress(octets: Uint8Array): string {
  return octets.length === 4 ? octets.join('.') : formatIPv6(new ipaddr.IPv6([...octets]));
}

/** An abstract path begins with a zero, which is part of it. */
function readPath(bytes: Uint8Array, at: number): ProxyAddress {
  const zero = bytes.subarray(at + 1, at + UNIX_PATH_SIZE).indexOf(0);
  const length = bytes[at] === 0 && bytes[at + 1] === 0 ? 0 : zero < 0 ? UNIX_PATH_SIZE : zero + 1;
  return { address: latin1Slice(bytes, at, at + length), port: 0 };
}

function parseTlvs(bytes: Uint8Array, start: number, end: number): Tlv[] | undefined {
  const tlvs: Tlv[] = [];
  let at = start;
  while (at < end) {
    if (end - at < 3) return undefined;
    const type = bytes[at];
    const length = (bytes[at + 1] << 8) | bytes[at + 2];
    at += 3;
    if (end - at < length) return undefined;
    tlvs.push({ type, value: bytes.slice(at, at + length) });
    at += length;
  }
  return tlvs;
}
