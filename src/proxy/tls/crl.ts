import crypto from 'node:crypto';
import { contextTag, DerReader, readOid, readTime, Tag } from '../../base/der.ts';
import type { Certificate } from './certificate.ts';
import { VerifyError } from './verify-errors.ts';

/** Hash of a signature algorithm; null where the key brings its own. */
const HASHES: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
]);

/** A certificate revocation list (RFC 5280 section 5), complete and direct. */
export class Crl {
  readonly #issuer: Buffer;
  readonly #signed: Buffer;
  readonly #algorithm: string;
  readonly #signature: Buffer;
  readonly #thisUpdate: number;
  readonly #nextUpdate: number | undefined;
  readonly #serials = new Set<string>();
  readonly #critical: boolean;

  /** Throws what is wrong with the bytes. */
  constructor(der: Buffer) {
    const list = new DerReader(der).enter(Tag.Sequence);
    const signed = list.next(Tag.Sequence);
    this.#signed = signed.bytes;
    this.#algorithm = readOid(list.enter(Tag.Sequence).next(Tag.ObjectIdentifier));
    this.#signature = list.next(Tag.BitString).content.subarray(1);
    const tbs = new DerReader(signed.content);
    tbs.optional(Tag.Integer);
    tbs.next(Tag.Sequence);
    this.#issuer = tbs.next(Tag.Sequence).bytes;
    this.#thisUpdate = readTime(tbs.any());
    const nextUpdate = tbs.optional(Tag.UtcTime) ?? tbs.optional(Tag.GeneralizedTime);
    this.#nextUpdate = nextUpdate && readTime(nextUpdate);
    const revoked = tbs.optional(Tag.Sequence);
    const entries = revoked && new DerReader(revoked.content);
    let critical = false;
    while (entries && !entries.done) {
      const entry = entries.enter(Tag.Sequence);
      this.#serials.add(entry.next(Tag.Integer).content.toString('hex'));
      entry.any();
      critical ||= hasCritical(entry.optional(Tag.Sequence)?.content);
    }
    const extensions = tbs.optional(contextTag(0, true));
    critical ||= hasCritical(extensions && new DerReader(extensions.content).next(Tag.Sequence).content);
    this.#critical = critical;
  }

  isOf(certificate: Certificate): boolean {
    return this.#issuer.equals(certificate.issuerDer);
  }

  /** Whether the list says that the certificate is good; its number in VerifyError if not. */
  check(certificate: Certificate, issuer: Certificate, now: number | undefined): number | undefined {
    const hash = HASHES.get(this.#algorithm);
    if (hash === undefined || !crypto.verify(hash, this.#signed, issuer.x509.publicKey, this.#signature)) {
      return VerifyError.CrlSignatureFailure;
    }
    // Critical extensions narrow what a list is about, and we read none of them.
    if (this.#critical) return VerifyError.UnhandledCriticalCrlExtension;
    if (now !== undefined && now < this.#thisUpdate) return VerifyError.CrlNotYetValid;
    if (now !== undefined && this.#nextUpdate !== undefined && now > this.#nextUpdate) return VerifyError.CrlExpired;
    return this.#serials.has(certificate.serialOctets.toString('hex')) ? VerifyError.Revoked : undefined;
  }
}

function hasCritical(extensions: Buffer | undefined): boolean {
  if (extensions === undefined) return false;
  const list = new DerReader(extensions);
  while (!list.done) {
    const extension = list.enter(Tag.Sequence);
    extension.next(Tag.ObjectIdentifier);
    if (extension.optional(Tag.Boolean)?.content[0]) return true;
  }
  return false;
}
