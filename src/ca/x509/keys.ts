import crypto, { type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { encode, encodeOid, sequence, Tag } from '../../base/der.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { Oid } from './oids.ts';

/** Keys that this package makes. */
export const KEY_TYPES = ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-3072', 'rsa-4096'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

/** Curves that every TLS stack of a mesh speaks. */
const CURVES = new Map([
  ['prime256v1', 'ECDSA P-256'],
  ['secp384r1', 'ECDSA P-384'],
  ['secp521r1', 'ECDSA P-521'],
]);
const MIN_RSA_BITS = 2048;
/** A larger modulus is accepted by nobody and costs milliseconds a handshake. */
const MAX_RSA_BITS = 8192;

const generateKeyPair = promisify(crypto.generateKeyPair);

/** Makes a private key on the thread pool: an RSA key takes long enough to hold up traffic. */
export async function generatePrivateKey(type: KeyType): Promise<KeyObject> {
  const [family, size] = type.split('-');
  if (family === 'rsa') return (await generateKeyPair('rsa', { modulusLength: Number(size) })).privateKey;
  const namedCurve = size === 'p256' ? 'prime256v1' : 'secp384r1';
  return (await generateKeyPair('ec', { namedCurve, paramEncoding: 'named' })).privateKey;
}

/** PKCS#8, which is what Envoy, OpenSSL and Kubernetes all read. */
export const privateKeyPem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;

export const publicKeyDer = (key: KeyObject): Buffer =>
  (key.type === 'private' ? crypto.createPublicKey(key) : key).export({ format: 'der', type: 'spki' });

/** A private key in PKCS#8, PKCS#1 or SEC 1 PEM. `what` names it in the message, which never holds any of the key. */
export function parsePrivateKey(pem: string, what: string): KeyObject {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem))
    throw new UserError(`${what} is encrypted; write it without a passphrase, for example with "openssl pkey".`);
  try {
    return crypto.createPrivateKey(pem);
  } catch (error) {
    throw new UserError(`${what} holds no private key in PEM (${messageOf(error)}).`);
  }
}

/** `ECDSA P-256`, `RSA 2048`, `Ed25519`. */
export function describeKey(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'rsa') return `RSA ${details?.modulusLength}`;
  if (key.asymmetricKeyType === 'ec') {
    const curve = details?.namedCurve;
    return curve === undefined ? 'ECDSA with explicit parameters' : (CURVES.get(curve) ?? `ECDSA ${curve}`);
  }
  return key.asymmetricKeyType === 'ed25519' ? 'Ed25519' : String(key.asymmetricKeyType);
}

/** The type of which a new key is like this one; ECDSA P-256 for those that are not made here. */
export function keyTypeOf(key: KeyObject): KeyType {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if ((modulusLength ?? 0) > 3072) return 'rsa-4096';
    return modulusLength === 3072 ? 'rsa-3072' : 'rsa-2048';
  }
  return namedCurve === 'secp384r1' ? 'ecdsa-p384' : 'ecdsa-p256';
}

/** Why a public key must not be certified, or undefined. */
export function weakKeyProblem(key: KeyObject): string | undefined {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      const bits = details?.modulusLength ?? 0;
      if (bits < MIN_RSA_BITS) return `an RSA key of ${bits} bits is too weak, at least ${MIN_RSA_BITS} are needed`;
      if (bits > MAX_RSA_BITS) return `an RSA key of ${bits} bits is too large, at most ${MAX_RSA_BITS} are allowed`;
      if ((details?.publicExponent ?? 0n) < 65537n) return 'the public exponent of an RSA key must be at least 65537';
      return undefined;
    }
    case 'ec':
      return CURVES.has(details?.namedCurve ?? '')
        ? undefined
        : `${describeKey(key)} is not allowed, use P-256, P-384 or P-521`;
    case 'ed25519':
      return undefined;
    default:
      return `keys of type ${key.asymmetricKeyType} are not allowed`;
  }
}

/** How a key signs. */
export interface SignatureAlgorithm {
  /** AlgorithmIdentifier, DER. */
  readonly identifier: Buffer;
  /** For `crypto.sign`; null where the scheme has its own. */
  readonly hash: string | null;
}

const withoutParameters = (oid: string, hash: string | null): SignatureAlgorithm => ({
  identifier: sequence(encodeOid(oid)),
  hash,
});
const RSA: SignatureAlgorithm = {
  identifier: sequence(encodeOid(Oid.sha256WithRsa), encode(Tag.Null)),
  hash: 'sha256',
};
const ED25519 = withoutParameters(Oid.ed25519, null);
const ECDSA: Readonly<Record<string, SignatureAlgorithm>> = {
  prime256v1: withoutParameters(Oid.ecdsaWithSha256, 'sha256'),
  secp384r1: withoutParameters(Oid.ecdsaWithSha384, 'sha384'),
  secp521r1: withoutParameters(Oid.ecdsaWithSha512, 'sha512'),
};

/** The signature algorithm that goes with a key (RFC 5480 section 4 pairs curve and hash). */
export function signatureAlgorithm(key: KeyObject): SignatureAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return RSA;
  if (key.asymmetricKeyType === 'ed25519') return ED25519;
  const ecdsa = ECDSA[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (!ecdsa) throw new UserError(`Keys of type ${describeKey(key)} cannot sign certificates.`);
  return ecdsa;
}

const signOnPool = promisify<string | null, Uint8Array, KeyObject, Buffer>(crypto.sign);

/**
 * Signs with the algorithm of {@link signatureAlgorithm}. RSA goes to the thread pool; ECDSA takes less time than the
 * way there and back.
 */
export async function sign(data: Uint8Array, key: KeyObject): Promise<Buffer> {
  const { hash } = signatureAlgorithm(key);
  return key.asymmetricKeyType === 'rsa' ? signOnPool(hash, data, key) : crypto.sign(hash, data, key);
}
