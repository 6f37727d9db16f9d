import crypto, { type KeyObject } from 'node:crypto';
import path from 'node:path';
import { calculateJwkThumbprint, type JSONWebKeySet, type JWK, SignJWT } from 'jose';
import { type Clock, systemClock } from '../../base/clock.ts';
import { UserError } from '../../base/errors.ts';
import { readFiles } from '../files/read.ts';
import { createFolder } from '../files/write.ts';
import { describeKey, generatePrivateKey, parsePrivateKey, privateKeyPem } from '../x509/keys.ts';
import { formatSubject, isServiceAccount, type KubernetesClaims, type ServiceAccount } from './service-account.ts';

/** The audience that istiod asks of a token, and the lifetime that Istio's injected volume gives it. */
export const ISTIO_CA_AUDIENCE = 'istio-ca';
export const TOKEN_TTL_MS = 12 * 3_600_000;
export const TOKEN_ALGORITHM = 'ES256';

/** The `iss` claim of tokens that a mesh without Kubernetes issues itself. */
export const LOCAL_TOKEN_ISSUER = 'isthmus';

const KEY_FILE = 'token-key.pem';

export interface TokenIssuerOptions {
  /** The `iss` claim, which the verifier compares. */
  readonly issuer: string;
  readonly clock?: Clock;
}

export interface TokenRequest extends ServiceAccount {
  /** `istio-ca` unless told. */
  readonly audiences?: readonly string[];
  readonly ttlMs?: number;
  readonly pod?: KubernetesClaims['pod'];
  readonly node?: KubernetesClaims['node'];
}

/** Issues service account tokens where there is no Kubernetes to do so, of the shape of its projected tokens. */
export class TokenIssuer {
  readonly issuer: string;
  readonly #key: KeyObject;
  readonly #publicKey: JWK & { readonly kid: string };
  readonly #clock: Clock;

  private constructor(key: KeyObject, publicKey: JWK & { readonly kid: string }, options: TokenIssuerOptions) {
    this.issuer = options.issuer;
    this.#key = key;
    this.#publicKey = publicKey;
    this.#clock = options.clock ?? systemClock;
  }

  /** Opens the folder that holds the key, making both on first use. */
  static async open(dir: string, options: TokenIssuerOptions): Promise<TokenIssuer> {
    const read = async () => (await readFiles(dir, [KEY_FILE])).get(KEY_FILE);
    let pem = await read();
    if (pem === undefined) {
      const text = privateKeyPem(await generatePrivateKey('ecdsa-p256'));
      await createFolder(dir, new Map([[KEY_FILE, { text, secret: true }]]));
      pem = await read();
    }
    const file = path.join(dir, KEY_FILE);
    if (pem === undefined)
      throw new UserError(`The folder ${dir} has files but no ${KEY_FILE}; name a new or empty one.`);
    const key = parsePrivateKey(pem, file);
    if (describeKey(key) !== 'ECDSA P-256') throw new UserError(`${file} must hold an ECDSA P-256 key.`);
    const { kty, crv, x, y } = crypto.createPublicKey(key).export({ format: 'jwk' });
    const jwk: JWK = { kty: String(kty), crv, x, y };
    const kid = await calculateJwkThumbprint(jwk);
    return new TokenIssuer(key, { ...jwk, kid, alg: TOKEN_ALGORITHM, use: 'sig' }, options);
  }

  /** The public key, for verifiers. */
  jwks(): JSONWebKeySet {
    return { keys: [this.#publicKey] };
  }

  /** A signed token. Throws a UserError for names that Kubernetes would not allow. */
  async issue(request: TokenRequest): Promise<string> {
    const { namespace, serviceAccount, audiences = [ISTIO_CA_AUDIENCE], ttlMs = TOKEN_TTL_MS, pod, node } = request;
    if (!isServiceAccount(request))
      throw new UserError(`"${namespace}/${serviceAccount}" is not a valid namespace and service account.`);
    const claims: KubernetesClaims = { namespace, node, pod, serviceaccount: { name: serviceAccount } };
    const now = Math.floor(this.#clock.now() / 1000);
    return new SignJWT({ 'kubernetes.io': claims })
      .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid: this.#publicKey.kid })
      .setIssuer(this.issuer)
      .setSubject(formatSubject(request))
      .setAudience([...audiences])
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + Math.floor(ttlMs / 1000))
      .setJti(crypto.randomUUID())
      .sign(this.#key);
  }
}
