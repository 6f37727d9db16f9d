import crypto, { type KeyObject, X509Certificate } from 'node:crypto';
import {
  contextTag,
  DerError,
  DerReader,
  type Element,
  readBoolean,
  readOid,
  readSmallInteger,
  readTime,
  Tag,
} from '../../base/der.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { type NameConstraints, readNameConstraints } from './name-constraints.ts';
import { formatName } from './names.ts';
import { Oid } from './oids.ts';
import { formatPem, parsePem } from './pem.ts';
import { verifySignature } from './signature.ts';
import { NO_NAMES, readSubjectAltNames, type SubjectAltNames } from './subject-alt-names.ts';

/** Extensions of RFC 5280 that matter to a mesh; the others only by whether they are critical. */
export interface CertificateExtensions {
  basicConstraints?: { readonly ca: boolean; readonly pathLength: number | undefined };
  /** First octet of the KeyUsage, see `KeyUsage`. */
  keyUsage?: number;
  /** Dotted object identifiers. */
  extendedKeyUsage?: readonly string[];
  subjectAltNames: SubjectAltNames;
  /** Hexadecimal. */
  subjectKeyIdentifier?: string;
  authorityKeyIdentifier?: string;
  nameConstraints?: NameConstraints;
  /** Object identifiers of critical extensions that nobody here understands: the certificate must not be relied on. */
  unknownCritical: readonly string[];
}

/** An X.509 certificate (RFC 5280 section 4.1), read strictly. Parsing proves nothing about who signed it. */
export class Certificate {
  readonly der: Uint8Array;
  /** 1 or 3. */
  readonly version: number;
  /** Hexadecimal, without leading zeros. */
  readonly serial: string;
  /** Names as DER; compared byte for byte when a chain is built. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970; both ends are inside. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly extensions: CertificateExtensions;
  /** Dotted object identifier. */
  readonly signatureAlgorithm: string;
  /** The bytes that are signed, and the signature with the octet before it that counts unused bits. */
  readonly #signed: { readonly data: Uint8Array; readonly signature: Uint8Array };
  /** Whether the algorithm stands in the signed part as it stands beside the signature. */
  readonly #isConsistent: boolean;
  #publicKey: KeyObject | undefined;
  /** What is known of signatures: neither certificate ever changes. */
  readonly #signedBy = new WeakMap<Certificate, boolean>();

  /** Throws a {@link DerError}. */
  constructor(der: Uint8Array) {
    this.der = der;
    const outer = new DerReader(der);
    const certificate = outer.enter(Tag.Sequence, 'the certificate');
    outer.end('the certificate');
    const signed = certificate.next(Tag.Sequence, 'the signed part');
    const tbs = new DerReader(signed.content);
    const algorithm = certificate.next(Tag.Sequence, 'the signature algorithm');
    this.signatureAlgorithm = readOid(
      new DerReader(algorithm.content).next(Tag.ObjectIdentifier, 'the signature algorithm'),
      'the signature algorithm',
    );
    this.#signed = { data: signed.bytes, signature: certificate.next(Tag.BitString, 'the signature').content };
    certificate.end('the certificate');

    const version = tbs.optional(contextTag(0, true), 'the version');
    this.version = version
      ? 1 + readSmallInteger(new DerReader(version.content).next(Tag.Integer, 'the version'), 'the version')
      : 1;
    this.serial = Buffer.from(tbs.next(Tag.Integer, 'the serial number').content)
      .toString('hex')
      .replace(/^(00)+(?=.)/, '');
    const inside = tbs.next(Tag.Sequence, 'the signature algorithm');
    this.#isConsistent = Buffer.compare(inside.bytes, algorithm.bytes) === 0;
    this.issuer = tbs.next(Tag.Sequence, 'the issuer').bytes;
    const validity = tbs.enter(Tag.Sequence, 'the validity');
    this.notBefore = readTime(validity.any('notBefore'), 'notBefore');
    this.notAfter = readTime(validity.any('notAfter'), 'notAfter');
    validity.end('the validity');
    this.subject = tbs.next(Tag.Sequence, 'the subject').bytes;
    this.publicKeyInfo = tbs.next(Tag.Sequence, 'the public key').bytes;
    tbs.optional(contextTag(1, false), 'the issuer unique id');
    tbs.optional(contextTag(2, false), 'the subject unique id');
    const extensions = tbs.optional(contextTag(3, true), 'the extensions');
    tbs.end('the signed part');
    this.extensions = readExtensions(extensions);
  }

  /** The public key; throws if OpenSSL cannot read it. */
  get publicKey(): KeyObject {
    this.#publicKey ??= crypto.createPublicKey({ key: Buffer.from(this.publicKeyInfo), format: 'der', type: 'spki' });
    return this.#publicKey;
  }

  get subjectName(): string {
    return formatName(this.subject);
  }

  get issuerName(): string {
    return formatName(this.issuer);
  }

  /** The subject, or the first alternative name where the subject is empty: what to call it in a message. */
  get displayName(): string {
    const { uris, dnsNames } = this.extensions.subjectAltNames;
    return this.subjectName || uris[0] || dnsNames[0] || `serial ${this.serial}`;
  }

  get selfIssued(): boolean {
    return Buffer.compare(this.issuer, this.subject) === 0;
  }

  /** SHA-256 of the whole certificate, hexadecimal. */
  get fingerprint(): string {
    return crypto.createHash('sha256').update(this.der).digest('hex');
  }

  get pem(): string {
    return formatPem('CERTIFICATE', this.der);
  }

  equals(other: Certificate): boolean {
    return Buffer.compare(this.der, other.der) === 0;
  }

  /** Whether the signature was made by the key of `issuer`; says nothing of names, dates or permissions. */
  isSignedBy(issuer: Certificate): boolean {
    let verdict = this.#signedBy.get(issuer);
    if (verdict === undefined) {
      verdict = this.#verify(issuer);
      this.#signedBy.set(issuer, verdict);
    }
    return verdict;
  }

  #verify(issuer: Certificate): boolean {
    const { data, signature } = this.#signed;
    if (!this.#isConsistent || signature[0] !== 0) return false;
    try {
      const verdict = verifySignature(this.signatureAlgorithm, data, issuer.publicKey, signature.subarray(1));
      return verdict ?? new X509Certificate(this.der).verify(issuer.publicKey);
    } catch {
      return false;
    }
  }

  /** Whether the private key is the one that belongs to the certificate. */
  matches(privateKey: KeyObject): boolean {
    const own = crypto.createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    return Buffer.compare(own, this.publicKey.export({ format: 'der', type: 'spki' })) === 0;
  }
}

function readExtensions(element: Element | undefined): CertificateExtensions {
  const result: CertificateExtensions = { subjectAltNames: NO_NAMES, unknownCritical: [] };
  if (!element) return result;
  const seen = new Set<string>();
  const unknownCritical: string[] = [];
  const list = new DerReader(element.content).enter(Tag.Sequence, 'the extensions');
  while (!list.done) {
    const extension = list.enter(Tag.Sequence, 'an extension');
    const oid = readOid(extension.next(Tag.ObjectIdentifier, "an extension's type"), "an extension's type");
    if (seen.has(oid)) throw new DerError(`the extension ${oid} stands there twice`);
    seen.add(oid);
    const flag = extension.optional(Tag.Boolean, `the critical flag of ${oid}`);
    const critical = flag !== undefined && readBoolean(flag, `the critical flag of ${oid}`);
    const value = extension.next(Tag.OctetString, `the value of ${oid}`).content;
    extension.end(`the extension ${oid}`);
    const read = READERS[oid];
    if (read) read(value, result);
    else if (critical) unknownCritical.push(oid);
  }
  result.unknownCritical = unknownCritical;
  return result;
}

const READERS: Readonly<Record<string, (value: Uint8Array, into: CertificateExtensions) => void>> = {
  [Oid.basicConstraints](value, into) {
    const constraints = new DerReader(value).enter(Tag.Sequence, 'the basic constraints');
    const ca = constraints.optional(Tag.Boolean, 'the CA flag');
    const pathLength = constraints.optional(Tag.Integer, 'the path length');
    constraints.end('the basic constraints');
    into.basicConstraints = {
      ca: ca !== undefined && readBoolean(ca, 'the CA flag'),
      pathLength: pathLength && readSmallInteger(pathLength, 'the path length'),
    };
  },
  [Oid.keyUsage](value, into) {
    into.keyUsage = new DerReader(value).next(Tag.BitString, 'the key usage').content[1] ?? 0;
  },
  [Oid.extendedKeyUsage](value, into) {
    const list = new DerReader(value).enter(Tag.Sequence, 'the extended key usage');
    const oids: string[] = [];
    while (!list.done) oids.push(readOid(list.next(Tag.ObjectIdentifier, 'a key purpose'), 'a key purpose'));
    into.extendedKeyUsage = oids;
  },
  [Oid.subjectAltName](value, into) {
    into.subjectAltNames = readSubjectAltNames(value);
  },
  [Oid.subjectKeyIdentifier](value, into) {
    const { content } = new DerReader(value).next(Tag.OctetString, 'the subject key identifier');
    into.subjectKeyIdentifier = Buffer.from(content).toString('hex');
  },
  [Oid.authorityKeyIdentifier](value, into) {
    const identifier = new DerReader(value).enter(Tag.Sequence, 'the authority key identifier');
    const key = identifier.optional(contextTag(0, false), 'the key identifier');
    if (key) into.authorityKeyIdentifier = Buffer.from(key.content).toString('hex');
  },
  [Oid.nameConstraints](value, into) {
    into.nameConstraints = readNameConstraints(value);
  },
  // Policies are information here: no policy is ever required of a chain.
  [Oid.certificatePolicies]() {},
};

/** One certificate from DER. `what` names it in the message of the {@link UserError}. */
export function parseCertificate(der: Uint8Array, what: string): Certificate {
  try {
    return new Certificate(der);
  } catch (error) {
    throw new UserError(`${what} is not a valid certificate: ${messageOf(error)}.`);
  }
}

/** All certificates of a PEM text in order; blocks that are something else are skipped. At least one must be there. */
export function parseCertificates(pem: string, what: string): Certificate[] {
  const certificates = parsePem(pem, what)
    .filter((block) => block.label === 'CERTIFICATE')
    .map(({ der }, i, all) => parseCertificate(der, all.length === 1 ? what : `Certificate ${i + 1} of ${what}`));
  if (certificates.length === 0) throw new UserError(`${what} holds no certificate in PEM.`);
  return certificates;
}
