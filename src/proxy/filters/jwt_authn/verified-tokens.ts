import type { Jwks } from './jwks.ts';
import type { Jwt } from './jwt.ts';

/** Longer tokens are not kept. */
const MAX_TOKEN_LENGTH = 4096;

/** Tokens whose signature was verified, with the keys that it was verified with: a key that goes takes them along. */
export class VerifiedTokens {
  readonly #size: number;
  readonly #tokens = new Map<string, Jwt>();
  #keys: Jwks | undefined = undefined;

  constructor(size: number) {
    this.#size = size;
  }

  get(token: string, keys: Jwks | undefined): Jwt | undefined {
    if (keys === undefined || keys !== this.#keys) return undefined;
    const jwt = this.#tokens.get(token);
    if (jwt === undefined) return undefined;
    // The one that was used last goes to the end.
    this.#tokens.delete(token);
    this.#tokens.set(token, jwt);
    return jwt;
  }

  add(token: string, jwt: Jwt, keys: Jwks): void {
    if (token.length > MAX_TOKEN_LENGTH) return;
    if (keys !== this.#keys) {
      this.#tokens.clear();
      this.#keys = keys;
    }
    this.#tokens.set(token, jwt);
    if (this.#tokens.size <= this.#size) return;
    const oldest = this.#tokens.keys().next().value;
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }
}
