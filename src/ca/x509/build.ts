import crypto, { type KeyObject } from 'node:crypto';
import { contextTag, encode, encodeBitString, encodeInteger, encodeTime, sequence } from '../../base/der.ts';
import { sign, signatureAlgorithm } from './keys.ts';

export interface CertificateFields {
  /** Names as DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970; the fractions of a second are cut. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  /** Extensions as DER, in the order in which they are to stand. */
  readonly extensions: readonly Uint8Array[];
  /** 128 random bits unless given. */
  readonly serial?: Uint8Array;
}

const VERSION_3 = encode(contextTag(0, true), encodeInteger(2));

const POOL_SERIALS = 64;
const SERIAL_BYTES = 16;
let pool = Buffer.alloc(0);

/**
 * 128 random bits, drawn in batches because asking the kernel costs as much as a signature. The first byte is never 0,
 * so that every way of writing the number has the same 32 digits.
 */
export function randomSerial(): Uint8Array {
  if (pool.length === 0) pool = crypto.randomBytes(POOL_SERIALS * SERIAL_BYTES);
  const serial = pool.subarray(0, SERIAL_BYTES);
  pool = pool.subarray(SERIAL_BYTES);
  serial[0] ||= 1;
  return serial;
}

/** Builds a certificate (RFC 5280 section 4.1) and signs it with the issuer's key. Returns DER. */
export async function buildCertificate(fields: CertificateFields, issuerKey: KeyObject): Promise<Buffer> {
  const { identifier } = signatureAlgorithm(issuerKey);
  const tbs = sequence(
    VERSION_3,
    encodeInteger(fields.serial ?? randomSerial()),
    identifier,
    fields.issuer,
    sequence(encodeTime(fields.notBefore), encodeTime(fields.notAfter)),
    fields.subject,
    fields.publicKeyInfo,
    encode(contextTag(3, true), sequence(...fields.extensions)),
  );
  return sequence(tbs, identifier, encodeBitString(await sign(tbs, issuerKey)));
}
