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

const NEED_MORE: ProxyProtocolResult = { kind: 'need-more' };
const NOT_PRESENT: ProxyProtocolResult = { kind: 'not-present' };
const error = (reason: string): ProxyProtocolResult => ({ kind: 'error', reason });

/**
 * Looks for a PROXY protocol header at the start of a connection: all octets that have come, `start` to `end` of
 * `bytes`. A header has 16 + 65,535 octets at most, and nothing is asked for beyond it.
 */
export function parseProxyProtocol(bytes: Uint8Array, start: number, end: number): ProxyProtocolResult {
  const v2 = beginsWith(bytes, start, end, SIGNATURE_V2);
  if (v2 === 'yes') return parseV2(bytes, start, end);
  const v1 = beginsWith(bytes, start, end, SIGNATURE_V1);
  if (v1 === 'yes') return parseV1(bytes, start, end);
  return v1 === 'no' && v2 === 'no' ? NOT_PRESENT : NEED_MORE;
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
  const [protocol, from, to, fromPort, toPort, ...rest] = line.split(' ');
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return error('unknown protocol');
  if (toPort === undefined || rest.length > 0) return error('not five fields');
  const canonical = protocol === 'TCP4' ? canonicalIPv4 : canonicalIPv6;
  const source = addressOf(canonical(from), fromPort);
  const destination = addressOf(canonical(to), toPort);
  if (source === undefined || destination === undefined) return error('bad address or port');
  const addresses = { transport: protocol === 'TCP4' ? 'tcp4' : 'tcp6', source, destination } as const;
  return { kind: 'header', header: { version: 1, addresses, tlvs: [] }, length };
}

function addressOf(address: string | undefined, port: string): ProxyAddress | undefined {
  if (address === undefined || !/^(0|[1-9]\d{0,4})$/.test(port) || Number(port) > 65535) return undefined;
  return { address, port: Number(port) };
}

function canonicalIPv4(text: string): string | undefined {
  const part = /^(0|[1-9]\d{0,2})$/;
  const parts = text.split('.');
  return parts.length === 4 && parts.every((p) => part.test(p) && Number(p) < 256) ? text : undefined;
}

function canonicalIPv6(text: string): string | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text).toRFC5952String();
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
  if (shape === undefined && family !== 0) return error('unknown address family or protocol');
  const size = shape?.size ?? 0;
  if (bodyEnd - body < size) return error('too short for its addresses');
  if (end < bodyEnd) return NEED_MORE;
  const tlvs = parseTlvs(bytes, body + size, bodyEnd);
  if (tlvs === undefined) return error('malformed extensions');
  if (shape === undefined) return { kind: 'header', header: { version: 2, addresses: undefined, tlvs }, length };
  const [source, destination] = readAddresses(shape.transport, bytes, body);
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
  return octets.length === 4 ? octets.join('.') : new ipaddr.IPv6([...octets]).toRFC5952String();
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
