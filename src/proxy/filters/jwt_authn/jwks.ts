import crypto from 'node:crypto';
import { decodeBase64Url, type Jwt } from './jwt.ts';
import { JwtStatus } from './status.ts';

/** A key that tokens may be signed with. `kid` and `alg` are empty if the key does not say. */
interface VerificationKey {
  readonly kid: string;
  readonly alg: string;
  readonly type: 'RSA' | 'EC' | 'OKP' | 'oct';
  readonly key: crypto.KeyObject;
}

/** The keys of an issuer: a JSON Web Key Set (RFC 7517), or a map of key ids to certificates in PEM. */
export class Jwks {
  readonly #keys: readonly VerificationKey[];

  private constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys;
  }

  /** Keys that are not usable are passed over; undefined if none is left or the text is no key set at all. */
  static parse(text: string): Jwks | undefined {
    let set: unknown;
    try {
      set = JSON.parse(text);
    } catch {
      return undefined;
    }
    if (!isObject(set)) return undefined;
    const candidates = Array.isArray(set.keys)
      ? set.keys.map((jwk: unknown) => (isObject(jwk) ? importJwk(jwk) : undefined))
      : 'keys' in set
        ? []
        : Object.entries(set).map(([kid, pem]) => (typeof pem === 'string' ? importCertificate(kid, pem) : undefined));
    const keys = candidates.filter((key) => key !== undefined);
    return keys.length === 0 ? undefined : new Jwks(keys);
  }

  /** Verifies the signature alone. */
  verify(jwt: Jwt): JwtStatus {
    let matched = false;
    for (const key of this.#keys) {
      if (jwt.kid !== '' && key.kid !== '' && key.kid !== jwt.kid) continue;
      if (key.alg !== '' && key.alg !== jwt.alg) continue;
      matched = true;
      if (key.type === 'OKP' && jwt.signature.length !== 64) return JwtStatus.Ed25519SignatureWrongLength;
      if (isSignedBy(jwt, key)) return JwtStatus.Ok;
    }
    return matched ? JwtStatus.VerificationFail : JwtStatus.JwksKidAlgMismatch;
  }
}

/** Which kind of key an algorithm goes with: a token never chooses to be verified in another way than its key is for. */
const KEY_TYPES: Readonly<Record<string, VerificationKey['type']>> = {
  RS: 'RSA',
  PS: 'RSA',
  ES: 'EC',
  HS: 'oct',
  Ed: 'OKP',
};

function isSignedBy(jwt: Jwt, { type, key }: VerificationKey): boolean {
  const family = jwt.alg.slice(0, 2);
  if (KEY_TYPES[family] !== type) return false;
  const data = Buffer.from(jwt.signed, 'latin1');
  const hash = `sha${jwt.alg.slice(2)}`;
  try {
    if (family === 'HS') {
      const own = crypto.createHmac(hash, key).update(data).digest();
      return own.length === jwt.signature.length && crypto.timingSafeEqual(own, jwt.signature);
    }
    if (family === 'Ed') return crypto.verify(null, data, key, jwt.signature);
    if (family === 'ES') return crypto.verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, jwt.signature);
    if (family === 'RS') return crypto.verify(hash, data, key, jwt.signature);
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = crypto.constants;
    return crypto.verify(hash, data, { key, padding, saltLength }, jwt.signature);
  } catch {
    return false;
  }
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function importJwk(jwk: Readonly<Record<string, unknown>>): VerificationKey | undefined {
  const kid = typeof jwk.kid === 'string' ? jwk.kid : '';
  const alg = typeof jwk.alg === 'string' ? jwk.alg : '';
  try {
    switch (jwk.kty) {
      case 'RSA': {
        if (alg !== '' && !/^[RP]S/.test(alg)) return undefined;
        const key = publicKey({ kty: 'RSA', n: jwk.n, e: jwk.e });
        return { kid, alg, type: 'RSA', key };
      }
      case 'EC': {
        if (alg !== '' && CURVES[alg] === undefined) return undefined;
        const crv = jwk.crv ?? CURVES[alg] ?? 'P-256';
        if (alg !== '' && CURVES[alg] !== crv) return undefined;
        return { kid, alg, type: 'EC', key: publicKey({ kty: 'EC', crv, x: jwk.x, y: jwk.y }) };
      }
      case 'OKP':
        if ((alg !== '' && alg !== 'EdDSA') || jwk.crv !== 'Ed25519') return undefined;
        return { kid, alg, type: 'OKP', key: publicKey({ kty: 'OKP', crv: 'Ed25519', x: jwk.x }) };
      case 'oct': {
        const secret = typeof jwk.k === 'string' ? decodeBase64Url(jwk.k) : undefined;
        if ((alg !== '' && !/^HS(256|384|512)$/.test(alg)) || secret === undefined || secret.length === 0)
          return undefined;
        return { kid, alg, type: 'oct', key: crypto.createSecretKey(secret) };
      }
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

/** Only the public members are given: a key set that leaks private ones is not to be used as such. */
function publicKey(jwk: Readonly<Record<string, unknown>>): crypto.KeyObject {
  return crypto.createPublicKey({ key: jwk as crypto.JsonWebKeyInput['key'], format: 'jwk' });
}

function importCertificate(kid: string, pem: string): VerificationKey | undefined {
  try {
    const key = new crypto.X509Certificate(pem).publicKey;
    return key.asymmetricKeyType === 'rsa' ? { kid, alg: '', type: 'RSA', key } : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
