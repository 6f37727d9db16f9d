import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type FetchImplementation,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { AuthenticationError, type Authenticator, type Caller, type Credentials } from './authenticator.ts';
import { type KubernetesClaims, parseSubject, type ServiceAccount } from './service-account.ts';
import { ISTIO_CA_AUDIENCE, TOKEN_ALGORITHM } from './token-issuer.ts';

/** One party whose tokens are accepted. */
export interface TrustedIssuer {
  /** Must equal the `iss` claim. */
  readonly issuer: string;
  readonly keys: JWTVerifyGetKey;
  /** One of them must stand in `aud`; `istio-ca` unless told. */
  readonly audiences?: readonly string[];
  /** JWS algorithms; ES256 unless told. Symmetric ones and `none` are never accepted. */
  readonly algorithms?: readonly string[];
}

/** The pod that a token was issued to. */
export interface BoundPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** When the token was issued, milliseconds since 1970. */
  readonly issuedAt: number;
}

export interface TokenAuthenticatorOptions {
  readonly issuer: TrustedIssuer;
  /**
   * Says why a token that was issued to a pod is good no longer, as Kubernetes' TokenReview does once the pod is gone;
   * undefined while it is. Without it such a token lasts until it expires.
   */
  readonly podProblem?: (pod: BoundPod) => string | undefined;
  /** Trust domain of the identities that the tokens prove. */
  readonly trustDomain: string;
  readonly clock?: Clock;
}

/** A projected token of Kubernetes is about 1.2 KB. */
const MAX_TOKEN_BYTES = 16384;
const CLOCK_TOLERANCE_SECONDS = 10;
/** What Kubernetes' API servers may be configured to sign with. */
export const KUBERNETES_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];

/** Accepts service account tokens, of the local mesh or of Kubernetes. */
export class TokenAuthenticator implements Authenticator {
  readonly name = 'KubeJWTAuthenticator';
  readonly #options: TokenAuthenticatorOptions;
  readonly #clock: Clock;

  constructor(options: TokenAuthenticatorOptions) {
    const symmetric = options.issuer.algorithms?.find((a) => a.startsWith('HS') || a === 'none');
    if (symmetric) throw new Error(`${symmetric} proves nothing about who signed`);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async authenticate({ bearer }: Credentials): Promise<Caller | null> {
    if (bearer === undefined) return null;
    if (bearer.length > MAX_TOKEN_BYTES)
      throw new AuthenticationError(`the token is larger than ${MAX_TOKEN_BYTES} bytes`);
    const payload = await this.#verify(bearer);
    const account = parseSubject(payload.sub ?? '');
    if (!account) throw new AuthenticationError('the subject of the token is not system:serviceaccount:NAMESPACE:NAME');
    requireSameAccount(payload, account);
    this.#requirePod(payload, account);
    return {
      identity: { trustDomain: this.#options.trustDomain, ...account },
      via: 'token',
      expiresAt: (payload.exp ?? 0) * 1000,
    };
  }

  #requirePod(payload: JWTPayload, { namespace }: ServiceAccount): void {
    const { podProblem } = this.#options;
    const { pod } = (payload['kubernetes.io'] ?? {}) as Partial<KubernetesClaims>;
    if (podProblem === undefined || pod?.uid === undefined) return;
    const problem = podProblem({ namespace, name: pod.name, uid: pod.uid, issuedAt: (payload.iat ?? 0) * 1000 });
    if (problem !== undefined) throw new AuthenticationError(problem);
  }

  async #verify(token: string): Promise<JWTPayload> {
    const { issuer, keys, audiences = [ISTIO_CA_AUDIENCE], algorithms = [TOKEN_ALGORITHM] } = this.#options.issuer;
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience: [...audiences],
        algorithms: [...algorithms],
        requiredClaims: ['exp', 'sub', 'iss', 'aud'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(this.#clock.now()),
      });
      return payload;
    } catch (error) {
      throw new AuthenticationError(`failed to verify the token (${messageOf(error)})`);
    }
  }
}

/** What Kubernetes says under its own name must be what the subject says. */
function requireSameAccount(payload: JWTPayload, account: ServiceAccount): void {
  const claims = payload['kubernetes.io'] as
    | { readonly namespace?: unknown; readonly serviceaccount?: { readonly name?: unknown } | null }
    | null
    | undefined;
  if (claims === undefined) return;
  if (claims?.namespace !== account.namespace || claims.serviceaccount?.name !== account.serviceAccount)
    throw new AuthenticationError('the kubernetes.io claims of the token name another account than its subject');
}

/** Keys that are known, such as those of a token issuer in this process. */
export const localKeys = (jwks: JSONWebKeySet): JWTVerifyGetKey => createLocalJWKSet(jwks);

export interface RemoteKeysOptions {
  /** How to fetch, where the issuer needs a credential or a trust anchor of its own, as Kubernetes' API server does. */
  readonly fetch?: FetchImplementation;
  readonly timeoutMs?: number;
}

const MAX_JWKS_BYTES = 1 << 20;

/**
 * Keys that an issuer publishes. They are fetched when first needed, kept for ten minutes, and fetched again for a key
 * that is unknown, at most every thirty seconds.
 */
export function remoteKeys(jwksUri: URL, options: RemoteKeysOptions = {}): JWTVerifyGetKey {
  const { fetch: fetchKeys = fetch, timeoutMs = 5000 } = options;
  return createRemoteJWKSet(jwksUri, {
    timeoutDuration: timeoutMs,
    cooldownDuration: 30_000,
    cacheMaxAge: 600_000,
    [customFetch]: async (...args) => bounded(await fetchKeys(...args)),
  });
}

/** The response with a body that is known to be small. */
async function bounded(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_JWKS_BYTES) throw new Error(`the key set is larger than ${MAX_JWKS_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}
