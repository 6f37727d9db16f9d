import crypto, { X509Certificate } from 'node:crypto';
import { contextTag, DerReader, readOid, readTime, Tag } from '../../base/der.ts';
import { commonNameOf, formatDistinguishedName } from './distinguished-name.ts';
import { readSubjectAltNames, type SubjectAltName } from './subject-alt-names.ts';

/** Bits of the first octet of a KeyUsage (RFC 5280 section 4.2.1.3). */
export const KeyUsage = {
  DigitalSignature: 0x80,
  KeyEncipherment: 0x20,
  KeyCertSign: 0x04,
  CrlSign: 0x02,
} as const;

const Extension = {
  SubjectAltName: '2.5.29.17',
  KeyUsage: '2.5.29.15',
  BasicConstraints: '2.5.29.19',
} as const;

/** What a certificate says, read once from its DER. That it says so proves nothing. */
export class Certificate {
  readonly der: Buffer;
  /** As OpenSSL reads it: for signatures and issuers. */
  readonly x509: X509Certificate;
  /** Lower-case hexadecimal SHA-256 of the DER. */
  readonly sha256: string;
  readonly serialOctets: Buffer;
  /** Lower-case hexadecimal, in whole octets and with a minus for what should not exist. */
  readonly serial: string;
  /** Names in the form of RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  /** The issuer's Name, DER. */
  readonly issuerDer: Buffer;
  readonly commonName: string;
  /** Milliseconds since 1970; both ends are inside. */
  readonly validFrom: number;
  readonly validTo: number;
  readonly names: readonly SubjectAltName[];
  readonly hasNames: boolean;
  /** First octet of the KeyUsage; undefined without that extension. */
  readonly keyUsage: number | undefined;
  /** BasicConstraints; undefined for anything that is not CA:TRUE. */
  readonly ca: { readonly pathLength: number | undefined } | undefined;
  /** Object identifiers of the critical extensions, and of all. */
  readonly criticalExtensions: readonly string[];
  readonly extensions: ReadonlySet<string>;
  readonly #publicKeyInfo: Buffer;
  #spkiSha256: string | undefined;

  /** Throws what is wrong with the bytes. */
  constructor(x509: X509Certificate) {
    this.x509 = x509;
    this.der = x509.raw;
    this.sha256 = crypto.hash('sha256', this.der, 'hex');
    const tbs = new DerReader(this.der).enter(Tag.Sequence).enter(Tag.Sequence);
    tbs.optional(contextTag(0, true));
    this.serialOctets = tbs.next(Tag.Integer).content;
    this.serial = formatSerial(this.serialOctets);
    tbs.next(Tag.Sequence);
    this.issuerDer = tbs.next(Tag.Sequence).bytes;
    this.issuer = formatDistinguishedName(this.issuerDer);
    const validity = tbs.enter(Tag.Sequence);
    this.validFrom = readTime(validity.any());
    this.validTo = readTime(validity.any());
    const subject = tbs.next(Tag.Sequence).bytes;
    this.subject = formatDistinguishedName(subject);
    this.commonName = commonNameOf(subject);
    this.#publicKeyInfo = tbs.next(Tag.Sequence).bytes;
    tbs.optional(contextTag(1, false));
    tbs.optional(contextTag(2, false));
    const list = tbs.optional(contextTag(3, true));

    const values = new Map<string, Buffer>();
    const critical: string[] = [];
    const extensions = list && new DerReader(list.content).enter(Tag.Sequence);
    while (extensions && !extensions.done) {
      const extension = extensions.enter(Tag.Sequence);
      const oid = readOid(extension.next(Tag.ObjectIdentifier));
      if (extension.optional(Tag.Boolean)?.content[0]) critical.push(oid);
      if (values.has(oid)) throw new Error(`the extension ${oid} stands there twice`);
      values.set(oid, extension.next(Tag.OctetString).content);
    }
    this.criticalExtensions = critical;
    this.extensions = new Set(values.keys());
    const names = values.get(Extension.SubjectAltName);
    this.hasNames = names !== undefined;
    this.names = names ? readSubjectAltNames(names) : [];
    const usage = values.get(Extension.KeyUsage);
    this.keyUsage = usage && (new DerReader(usage).next(Tag.BitString).content[1] ?? 0);
    const constraints = values.get(Extension.BasicConstraints);
    this.ca = constraints && readBasicConstraints(constraints);
  }

  static fromDer(der: Uint8Array): Certificate {
    return new Certificate(new X509Certificate(der));
  }

  /** Base64 of the SHA-256 of the SubjectPublicKeyInfo, as in HTTP public key pinning. */
  get spkiSha256(): string {
    this.#spkiSha256 ??= crypto.hash('sha256', this.#publicKeyInfo, 'base64');
    return this.#spkiSha256;
  }

  get pem(): string {
    return this.x509.toString();
  }

  namesOf(type: SubjectAltName['type']): string[] {
    return this.names.filter((name) => name.type === type).map((name) => name.value);
  }

  /** What to call it in a message: its URI or DNS name, or else its subject. */
  get displayName(): string {
    const name = this.names.find((n) => n.type === 'uri') ?? this.names.find((n) => n.type === 'dns');
    return name?.value || this.subject || `serial ${this.serial}`;
  }
}

function formatSerial(content: Buffer): string {
  if (content[0] >= 0x80) return BigInt.asIntN(content.length * 8, BigInt(`0x${content.toString('hex')}`)).toString(16);
  return content.toString('hex').replace(/^(00)+(?=.)/, '');
}

function readBasicConstraints(value: Buffer): Certificate['ca'] {
  const constraints = new DerReader(value).enter(Tag.Sequence);
  if (!constraints.optional(Tag.Boolean)?.content[0]) return undefined;
  const length = constraints.optional(Tag.Integer)?.content;
  if (length === undefined) return { pathLength: undefined };
  // A length that is negative or absurd allows nothing below.
  return { pathLength: length.length === 1 && length[0] < 0x80 ? length[0] : 0 };
}
