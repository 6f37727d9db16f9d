import { Backoff } from '../../base/backoff.ts';
import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { RequestAuthenticationSpec } from '../../config/kinds/request-authentication/schema.ts';

/** How key sets are fetched; see fetch.ts. */
export interface KeySetFetcher {
  /** A key set at a URL, as JSON. */
  readonly keySet: (uri: string) => Promise<string>;
  /** The URL of an issuer's key set. */
  readonly discover: (issuer: string) => Promise<string>;
}

export interface KeySetsOptions {
  readonly clock: Clock;
  readonly fetcher: KeySetFetcher;
  readonly log: Logger;
  /** Told of all key sets that are known, when one of them changes. */
  readonly onChange: (keySets: ReadonlyMap<string, string>) => void;
  readonly random?: () => number;
}

/** `PILOT_JWT_PUB_KEY_REFRESH_INTERVAL` of Istio. */
const REFRESH_MS = 20 * 60_000;
const RETRY = { initialMs: 500, maxMs: 30_000, minMs: 250 };
/** Fetched at a time. */
const MAX_AT_ONCE = 16;

interface Wanted {
  readonly isIssuer: boolean;
  readonly backoff: Backoff;
  cancel: Cancel | undefined;
  /** What was wrong the last time, which is not said again as long as it stays so. */
  problem: string | undefined;
}

/**
 * The keys of token issuers that rules do not carry themselves, as istiod fetches them: by `jwksUri`, or by issuer where a
 * rule names only that. They are fetched again from time to time; while that fails, those that were known stay.
 */
export class KeySets {
  readonly #options: KeySetsOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #queue: string[] = [];
  #busy = 0;
  #known: ReadonlyMap<string, string> = new Map();

  constructor(options: KeySetsOptions) {
    this.#options = options;
  }

  /** These are the rules now. */
  update(specs: readonly RequestAuthenticationSpec[]): void {
    const wanted = new Map<string, boolean>();
    for (const rule of specs.flatMap(({ jwtRules = [] }) => jwtRules)) {
      if (rule.jwks) continue;
      const key = rule.jwksUri || rule.issuer;
      if (key) wanted.set(key, !rule.jwksUri);
    }
    for (const [key, { cancel }] of this.#wanted) {
      if (wanted.has(key)) continue;
      cancel?.();
      this.#wanted.delete(key);
    }
    for (const [key, isIssuer] of wanted) {
      if (this.#wanted.has(key)) continue;
      const backoff = new Backoff({ ...RETRY, ...(this.#options.random ? { random: this.#options.random } : {}) });
      this.#wanted.set(key, { isIssuer, backoff, cancel: undefined, problem: undefined });
      this.#enqueue(key);
    }
    const kept = [...this.#known].filter(([key]) => this.#wanted.has(key));
    if (kept.length < this.#known.size) this.#set(new Map(kept));
  }

  close(): void {
    for (const { cancel } of this.#wanted.values()) cancel?.();
    this.#wanted.clear();
    this.#queue.length = 0;
  }

  #enqueue(key: string): void {
    this.#queue.push(key);
    this.#next();
  }

  #next(): void {
    while (this.#busy < MAX_AT_ONCE) {
      const key = this.#queue.shift();
      if (key === undefined) return;
      const wanted = this.#wanted.get(key);
      if (wanted === undefined) continue;
      this.#busy++;
      void this.#fetch(key, wanted).finally(() => {
        this.#busy--;
        this.#next();
      });
    }
  }

  async #fetch(key: string, wanted: Wanted): Promise<void> {
    const { clock, fetcher, log } = this.#options;
    let delay = REFRESH_MS;
    try {
      const keySet = await fetcher.keySet(wanted.isIssuer ? await fetcher.discover(key) : key);
      if (this.#wanted.get(key) !== wanted) return;
      if (wanted.problem !== undefined) log.info(`the keys of ${key} are there now`);
      wanted.problem = undefined;
      wanted.backoff.reset();
      if (this.#known.get(key) !== keySet) this.#set(new Map(this.#known).set(key, keySet));
    } catch (error) {
      if (this.#wanted.get(key) !== wanted) return;
      delay = wanted.backoff.next();
      const problem = messageOf(error);
      const meanwhile = this.#known.has(key) ? 'the last ones stay in force' : 'until then every token is refused';
      if (problem !== wanted.problem) log.warn(`the keys of ${key} cannot be had: ${problem}; ${meanwhile}`);
      wanted.problem = problem;
    }
    wanted.cancel = clock.setTimer(delay, () => this.#enqueue(key));
  }

  #set(known: ReadonlyMap<string, string>): void {
    this.#known = known;
    this.#options.onChange(known);
  }
}
