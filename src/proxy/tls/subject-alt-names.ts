import ipaddr from 'ipaddr.js';
import { contextTag, DerReader, type Element, readOid, Tag } from '../../base/der.ts';
import { decodeText } from './distinguished-name.ts';

export type SanType = 'email' | 'dns' | 'uri' | 'ip' | 'other';

/** One name of a certificate (RFC 5280 section 4.2.1.6). */
export interface SubjectAltName {
  readonly type: SanType;
  readonly value: string;
  /** What kind of `other` name it is, dotted. */
  readonly oid?: string;
}

const TYPES: ReadonlyMap<number, SanType> = new Map([
  [contextTag(1, false), 'email'],
  [contextTag(2, false), 'dns'],
  [contextTag(6, false), 'uri'],
]);
const OTHER_NAME = contextTag(0, true);
const IP = contextTag(7, false);

/** Names are IA5 text without control characters; anything else is a trick, and such a name matches nothing. */
const PRINTABLE = /^[\x20-\x7e]*$/;

/** The names in the value of a subjectAltName extension, in order. Names of other kinds, and broken ones, are left out. */
export function readSubjectAltNames(value: Buffer): SubjectAltName[] {
  const names: SubjectAltName[] = [];
  const list = new DerReader(value).enter(Tag.Sequence);
  while (!list.done) {
    const { tag, content } = list.any();
    const type = TYPES.get(tag);
    if (type !== undefined) {
      const text = content.toString('latin1');
      if (PRINTABLE.test(text)) names.push({ type, value: text });
    } else if (tag === IP && (content.length === 4 || content.length === 16)) {
      names.push({ type: 'ip', value: formatIp(content) });
    } else if (tag === OTHER_NAME) {
      names.push(otherName(content));
    }
  }
  return names;
}

/** As `inet_ntop` writes it. */
function formatIp(octets: Buffer): string {
  const address = ipaddr.fromByteArray([...octets]);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
    ? `::ffff:${address.toIPv4Address().toString()}`
    : address.toString();
}

/** An otherName, with its value as Envoy writes it for matchers. */
function otherName(content: Buffer): SubjectAltName {
  const reader = new DerReader(content);
  const oid = readOid(reader.next(Tag.ObjectIdentifier));
  return { type: 'other', oid, value: otherValue(reader.enter(contextTag(0, true)).any()) };
}

function otherValue(element: Element): string {
  const { tag, content: value } = element;
  switch (tag) {
    case Tag.Null:
      return '';
    case Tag.Boolean:
      return value[0] ? 'true' : 'false';
    case Tag.Integer:
    case Tag.Enumerated:
      return BigInt.asIntN(value.length * 8, BigInt(`0x${value.toString('hex') || '0'}`)).toString();
    case Tag.ObjectIdentifier:
      return readOid(element);
    // Matchers compare in wire form, that is the octets of UTF-8.
    case Tag.BmpString:
    case Tag.UniversalString:
      return Buffer.from(decodeText(tag, value) ?? '', 'utf8').toString('latin1');
    case Tag.BitString:
      return value.subarray(1).toString('latin1');
    default:
      return value.toString('latin1');
  }
}
