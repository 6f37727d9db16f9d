import crypto from 'node:crypto';
import tls from 'node:tls';
import type { KeyPair } from './key-pair.ts';
import type { Parameters } from './parameters.ts';
import type { PeerPolicy } from './validation.ts';

/** Session tickets of a server: none at all, or keys of which those of the context are derived. */
export type TicketSource = { readonly kind: 'off' } | { readonly kind: 'secret'; readonly secret: Buffer };

/** Everything that makes two contexts of OpenSSL differ. */
export interface ContextRecipe {
  readonly isServer: boolean;
  readonly parameters: Parameters;
  readonly keyPair: KeyPair | undefined;
  readonly policy: PeerPolicy;
  /** Whether a server insists on a certificate: a session without one must not come back where it does. */
  readonly requiresCertificate: boolean;
  readonly tickets: TicketSource;
  readonly sessionTimeoutSeconds: number;
}

/** A context that is in use until it is released. */
export interface ContextLease {
  readonly context: tls.SecureContext;
  release(): void;
}

/** Ticket keys are replaced this often, on the next handshake of their context. */
export const TICKET_KEY_LIFETIME_MS = 24 * 3_600_000;

const { SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TICKET, SSL_OP_PRIORITIZE_CHACHA } = crypto.constants;

interface Shared {
  readonly key: string;
  readonly context: tls.SecureContext;
  users: number;
}

/** Contexts of OpenSSL, shared by all who want the same: a thousand clusters of a mesh differ in names only. */
export class SecureContexts {
  readonly #shared = new Map<string, Shared>();

  /** The number of contexts that exist. */
  get size(): number {
    return this.#shared.size;
  }

  /** Throws what OpenSSL says against the recipe. `epoch` is part of the ticket keys. */
  acquire(recipe: ContextRecipe, epoch: number): ContextLease {
    const key = recipeKey(recipe, epoch);
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = { key, context: createContext(recipe, key), users: 0 };
      this.#shared.set(key, shared);
    }
    shared.users++;
    return new Lease(this.#shared, shared);
  }
}

class Lease implements ContextLease {
  readonly #all: Map<string, Shared>;
  #mine: Shared | undefined;
  readonly context: tls.SecureContext;

  constructor(all: Map<string, Shared>, mine: Shared) {
    this.#all = all;
    this.#mine = mine;
    this.context = mine.context;
  }

  release(): void {
    const mine = this.#mine;
    this.#mine = undefined;
    if (mine !== undefined && --mine.users === 0) this.#all.delete(mine.key);
  }
}

function recipeKey(recipe: ContextRecipe, epoch: number): string {
  const { parameters: p, policy, tickets } = recipe;
  return JSON.stringify([
    recipe.isServer,
    [p.minVersion, p.maxVersion, p.ciphers, p.ecdhCurve, p.sigalgs],
    recipe.keyPair?.digest,
    policy.asks,
    policy.acceptUntrusted,
    policy.trustDigest,
    recipe.requiresCertificate,
    tickets.kind === 'off' ? '' : [crypto.hash('sha256', tickets.secret, 'base64'), epoch],
    recipe.sessionTimeoutSeconds,
  ]);
}

function createContext(recipe: ContextRecipe, key: string): tls.SecureContext {
  const { isServer, parameters, keyPair, policy, tickets } = recipe;
  // BoringSSL renegotiates with nobody, and tickets that no key of ours could read again are not to be written.
  let secureOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_PRIORITIZE_CHACHA;
  if (isServer && tickets.kind === 'off') secureOptions |= SSL_OP_NO_TICKET;
  return tls.createSecureContext({
    ...parameters,
    cert: keyPair && presentedChain(keyPair, policy),
    ...keyPair?.credentials(),
    // Without `ca` Node would trust the roots it ships with.
    ca: policy.anchorsPem === '' ? [] : policy.anchorsPem,
    crl: policy.crls.length > 0 ? [...policy.crls] : undefined,
    allowPartialTrustChain: true,
    honorCipherOrder: isServer,
    secureOptions,
    ...(isServer && {
      ticketKeys: tickets.kind === 'off' ? undefined : ticketKeys(tickets.secret, key),
      sessionIdContext: crypto.hash('sha256', key, 'base64').slice(0, 32),
      sessionTimeout: recipe.sessionTimeoutSeconds,
    }),
  });
}

/** Authorities above a leaf that OpenSSL would go through. */
const MAX_ISSUERS = 4;

/**
 * The chain to present. Where a leaf stands alone and its issuers are trusted in the same context, OpenSSL looks for
 * them, verifies, and sends them in every single handshake, which Node has no option against. So it is done once.
 */
function presentedChain({ leaf, chainPem, chainLength }: KeyPair, { trust, spiffe }: PeerPolicy): string {
  if (chainLength > 1) return chainPem;
  const anchors = [...(trust?.certificates ?? []), ...[...(spiffe?.values() ?? [])].flatMap((b) => b.certificates)];
  let pem = chainPem;
  let last = leaf;
  for (let i = 0; i < MAX_ISSUERS && last.issuer !== last.subject; i++) {
    const issuer = anchors.find((anchor) => last.x509.checkIssued(anchor.x509));
    if (issuer === undefined) break;
    pem += issuer.pem;
    last = issuer;
  }
  return pem;
}

/**
 * The 48 octets that Node wants: name, HMAC key and AES key. They depend on all that makes the context, so a session
 * is resumed by every worker and every proxy that has the same secret, certificate and trust, and by nobody else.
 */
function ticketKeys(secret: Buffer, key: string): Buffer {
  return Buffer.from(
    crypto.hkdfSync('sha256', secret, Buffer.alloc(0), `isthmus tls tickets ${key}`.slice(0, 1024), 48),
  );
}
