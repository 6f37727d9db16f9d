import { DerReader, encode, encodeOid, readOid, sequence, Tag } from '../../base/der.ts';
import { UserError } from '../../base/errors.ts';

/** Attribute types of a distinguished name: RFC 4519, and emailAddress of RFC 2985. */
const TYPES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  street: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
  emailAddress: '1.2.840.113549.1.9.1',
};
const TYPE_OF_OID = new Map(Object.entries(TYPES).map(([type, oid]) => [oid, type]));
const TYPE_OF_NAME = new Map(Object.keys(TYPES).map((type) => [type.toLowerCase(), type]));
/** RFC 5280 appendix A.1 fixes the string type of these. */
const IA5_TYPES = new Set(['DC', 'emailAddress']);
const PRINTABLE_TYPES = new Set(['C', 'serialNumber']);

/** The `ub-` limits of RFC 5280 appendix A.1 that people run into. */
const LIMITS: Readonly<Record<string, number>> = { CN: 64, O: 64, OU: 64, C: 2, L: 128, ST: 128, serialNumber: 64 };

export type NameAttribute = readonly [type: string, value: string];

/** A Name (RFC 5280 section 4.1.2.4) with one attribute per RDN. */
export function encodeName(attributes: readonly NameAttribute[]): Buffer {
  return sequence(
    ...attributes.map(([type, value]) => {
      const tag = IA5_TYPES.has(type)
        ? Tag.Ia5String
        : PRINTABLE_TYPES.has(type)
          ? Tag.PrintableString
          : Tag.Utf8String;
      return encode(Tag.Set, sequence(encodeOid(TYPES[type]), encode(tag, Buffer.from(value))));
    }),
  );
}

/**
 * A subject as people write it: `/O=Cargo Inc./CN=gateway`, as for openssl, or `O=Cargo Inc., CN=gateway`. A backslash
 * takes the next character as it is.
 */
export function parseName(text: string): NameAttribute[] {
  const separator = text.startsWith('/') ? '/' : ',';
  const parts = splitUnescaped(text.startsWith('/') ? text.slice(1) : text, separator);
  return parts
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      const type = TYPE_OF_NAME.get(part.slice(0, Math.max(equals, 0)).trim().toLowerCase());
      if (!type)
        throw new UserError(
          `The subject "${text}" has a part "${part.trim()}" that is not TYPE=VALUE with a TYPE of ${Object.keys(TYPES).join(', ')}.`,
        );
      const value = part
        .slice(equals + 1)
        .trim()
        .replace(/\\(.)/g, '$1');
      if (value === '') throw new UserError(`The subject "${text}" has an empty ${type}.`);
      if (value.length > (LIMITS[type] ?? Number.POSITIVE_INFINITY))
        throw new UserError(`The subject's ${type} is longer than the ${LIMITS[type]} characters that X.509 allows.`);
      return [type, value] as const;
    });
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts = [''];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && i + 1 < text.length) parts[parts.length - 1] += text[i] + text[++i];
    else if (text[i] === separator) parts.push('');
    else parts[parts.length - 1] += text[i];
  }
  return parts;
}

/** A Name in one line: `O=Cargo Inc., CN=gateway`; empty for the empty name. Control characters are shown as escapes. */
export function formatName(der: Uint8Array): string {
  const parts: string[] = [];
  const rdns = new DerReader(der).enter(Tag.Sequence, 'the name');
  while (!rdns.done) {
    const set = rdns.enter(Tag.Set, 'a relative distinguished name');
    while (!set.done) {
      const attribute = set.enter(Tag.Sequence, 'an attribute of a name');
      const oid = readOid(attribute.next(Tag.ObjectIdentifier, "an attribute's type"), "an attribute's type");
      const { tag, content } = attribute.any("an attribute's value");
      parts.push(`${TYPE_OF_OID.get(oid) ?? oid}=${printable(decodeString(tag, content))}`);
    }
  }
  return parts.join(', ');
}

function decodeString(tag: number, content: Uint8Array): string {
  const bytes = Buffer.from(content);
  if (tag === Tag.Utf8String) return bytes.toString('utf8');
  if (tag === Tag.BmpString && bytes.length % 2 === 0) return bytes.swap16().toString('utf16le');
  return bytes.toString('latin1');
}

const printable = (value: string) =>
  value
    .replace(/[\\,]/g, '\\$&')
    .replace(/[\0-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
