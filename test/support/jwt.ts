import crypto from 'node:crypto';

/** Keys and tokens for tests, made when they run. */

export interface TestKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: crypto.KeyObject;
  /** Public JWK, with kid and alg unless told. */
  jwk(more?: Readonly<Record<string, unknown>>): Record<string, unknown>;
}

function pair(kid: string, alg: string, keys: { publicKey: crypto.KeyObject; privateKey: crypto.KeyObject }): TestKey {
  return {
    kid,
    alg,
    privateKey: keys.privateKey,
    jwk: (more = {}) => ({ ...keys.publicKey.export({ format: 'jwk' }), kid, alg, ...more }),
  };
}

export function rsaKey(kid: string, alg = 'RS256'): TestKey {
  return pair(kid, alg, crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }));
}

export function ecKey(kid: string, alg: 'ES256' | 'ES384' | 'ES512' = 'ES256'): TestKey {
  const namedCurve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg];
  return pair(kid, alg, crypto.generateKeyPairSync('ec', { namedCurve }));
}

export function edKey(kid: string): TestKey {
  return pair(kid, 'EdDSA', crypto.generateKeyPairSync('ed25519'));
}

export function secretKey(kid: string, alg = 'HS256'): TestKey {
  const privateKey = crypto.createSecretKey(crypto.createHash('sha256').update(kid).digest());
  return {
    kid,
    alg,
    privateKey,
    jwk: (more = {}) => ({ kty: 'oct', k: privateKey.export().toString('base64url'), kid, alg, ...more }),
  };
}

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A signed token. Strings are taken as they are in place of JSON. */
export function token(key: TestKey, payload: unknown, header: Readonly<Record<string, unknown>> | string = {}): string {
  const head = typeof header === 'string' ? header : { alg: key.alg, kid: key.kid, ...header };
  const alg = typeof head === 'string' ? key.alg : String(head.alg);
  const signed = `${encode(head)}.${encode(payload)}`;
  return `${signed}.${sign(Buffer.from(signed), alg, key.privateKey).toString('base64url')}`;
}

function sign(data: Buffer, alg: string, key: crypto.KeyObject): Buffer {
  const hash = `sha${alg.slice(2)}`;
  const family = alg.slice(0, 2);
  if (family === 'HS') return crypto.createHmac(hash, key).update(data).digest();
  if (family === 'Ed') return crypto.sign(null, data, key);
  if (family === 'ES') return crypto.sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  if (family === 'PS') {
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = crypto.constants;
    return crypto.sign(hash, data, { key, padding, saltLength });
  }
  return crypto.sign(family === 'RS' ? hash : 'sha256', data, key);
}
