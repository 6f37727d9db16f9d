import { contextTag, DerReader, encode, sequence, Tag } from '../../base/der.ts';

/** The names that a certificate is for (RFC 5280 section 4.2.1.6). */
export interface SubjectAltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  /** Four or sixteen bytes each. */
  readonly ips: readonly Uint8Array[];
  /** Whether there are names of other forms. */
  readonly others: boolean;
}

export const NO_NAMES: SubjectAltNames = { uris: [], dnsNames: [], emails: [], ips: [], others: false };

const EMAIL = contextTag(1, false);
const DNS = contextTag(2, false);
const URI = contextTag(6, false);
const IP = contextTag(7, false);

/** The value of a subjectAltName extension. */
export function encodeSubjectAltNames(names: Partial<SubjectAltNames>): Buffer {
  const text = (tag: number, values: readonly string[] = []) =>
    values.map((v) => encode(tag, Buffer.from(v, 'latin1')));
  return sequence(
    ...text(DNS, names.dnsNames),
    ...text(EMAIL, names.emails),
    ...(names.ips ?? []).map((ip) => encode(IP, ip)),
    ...text(URI, names.uris),
  );
}

/** Reads the value of a subjectAltName extension. Text is IA5: anything else is kept byte for byte as latin1 and matches nothing. */
export function readSubjectAltNames(value: Uint8Array): SubjectAltNames {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const emails: string[] = [];
  const ips: Uint8Array[] = [];
  let others = false;
  const outer = new DerReader(value);
  const names = outer.enter(Tag.Sequence, 'the subject alternative names');
  outer.end('the subject alternative names');
  while (!names.done) {
    const { tag, content } = names.any('a subject alternative name');
    const text = Buffer.from(content).toString('latin1');
    if (tag === URI) uris.push(text);
    else if (tag === DNS) dnsNames.push(text);
    else if (tag === EMAIL) emails.push(text);
    else if (tag === IP && (content.length === 4 || content.length === 16)) ips.push(content);
    else others = true;
  }
  return { uris, dnsNames, emails, ips, others };
}

/** `127.0.0.1`, or the eight groups of an IPv6 address as OpenSSL prints them. */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((ip[2 * i] << 8) | ip[2 * i + 1]).toString(16));
  return groups.join(':').toUpperCase();
}
