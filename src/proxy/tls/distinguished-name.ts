import { DerReader, readOid, Tag } from '../../base/der.ts';

/** Attribute types by their short names, as OpenSSL and BoringSSL print them. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.13': 'description',
  '2.5.4.15': 'businessCategory',
  '2.5.4.17': 'postalCode',
  '2.5.4.41': 'name',
  '2.5.4.42': 'GN',
  '2.5.4.43': 'initials',
  '2.5.4.44': 'generationQualifier',
  '2.5.4.45': 'x500UniqueIdentifier',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.65': 'pseudonym',
  '2.5.4.72': 'role',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '1.2.840.113549.1.9.2': 'unstructuredName',
  '1.2.840.113549.1.9.8': 'unstructuredAddress',
  '1.3.6.1.4.1.311.60.2.1.1': 'jurisdictionL',
  '1.3.6.1.4.1.311.60.2.1.2': 'jurisdictionST',
  '1.3.6.1.4.1.311.60.2.1.3': 'jurisdictionC',
};

/** A Name in the form of RFC 2253, as `XN_FLAG_RFC2253` prints it and Envoy shows it: `CN=gateway,O=Cargo Inc.`. */
export function formatDistinguishedName(name: Buffer): string {
  const parts: string[] = [];
  const sets = new DerReader(name).enter(Tag.Sequence);
  while (!sets.done) {
    const attributes: string[] = [];
    const set = sets.enter(Tag.Set);
    while (!set.done) {
      const attribute = set.enter(Tag.Sequence);
      const oid = readOid(attribute.next(Tag.ObjectIdentifier));
      const value = attribute.any();
      const short = SHORT_NAMES[oid];
      const text = short === undefined ? undefined : decodeText(value.tag, value.content);
      attributes.push(
        text === undefined
          ? `${short ?? oid}=#${value.bytes.toString('hex').toUpperCase()}`
          : `${short}=${escapeValue(text)}`,
      );
    }
    parts.unshift(attributes.reverse().join('+'));
  }
  return parts.join(',');
}

/** The first CN of a Name, or empty. */
export function commonNameOf(name: Buffer): string {
  const sets = new DerReader(name).enter(Tag.Sequence);
  while (!sets.done) {
    const set = sets.enter(Tag.Set);
    while (!set.done) {
      const attribute = set.enter(Tag.Sequence);
      if (readOid(attribute.next(Tag.ObjectIdentifier)) !== '2.5.4.3') continue;
      const value = attribute.any();
      return decodeText(value.tag, value.content) ?? '';
    }
  }
  return '';
}

/** Tags of the strings with one octet a character, which are taken as Latin-1. */
const OCTET_STRINGS: ReadonlySet<number> = new Set([0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a]);

/** The text of an ASN.1 string of any type, or undefined if the value is none. */
export function decodeText(tag: number, content: Buffer): string | undefined {
  if (tag === Tag.Utf8String) return content.toString('utf8');
  if (OCTET_STRINGS.has(tag)) return content.toString('latin1');
  if (tag === Tag.BmpString && content.length % 2 === 0) return Buffer.from(content).swap16().toString('utf16le');
  if (tag === Tag.UniversalString && content.length % 4 === 0) {
    let text = '';
    for (let at = 0; at < content.length; at += 4) {
      const point = content.readUInt32BE(at);
      if (point > 0x10ffff) return undefined;
      text += String.fromCodePoint(point);
    }
    return text;
  }
  return undefined;
}

/** RFC 2253 section 2.4, with control characters and everything beyond ASCII as the hexadecimal of its UTF-8. */
function escapeValue(value: string): string {
  const bytes = Buffer.from(value, 'utf8');
  let out = '';
  bytes.forEach((byte, i) => {
    const char = String.fromCharCode(byte);
    if (byte < 0x20 || byte >= 0x7f) out += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (',+"\\<>;'.includes(char)) out += `\\${char}`;
    else if (i === 0 && (char === '#' || char === ' ')) out += `\\${char}`;
    else if (i === bytes.length - 1 && char === ' ') out += `\\${char}`;
    else out += char;
  });
  return out;
}
