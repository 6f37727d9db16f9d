import type { Logger } from '../../../base/log.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import type { Timer } from '../../timers.ts';
import { callHttp, type HttpCallContext, type RetryLimits } from '../common/http-call.ts';
import { Jwks } from './jwks.ts';
import type { JwtStats } from './stats.ts';

/** Where the keys of a provider come from. */
export interface KeySource {
  /** The keys, if there are any that may be used now. */
  readonly keys: Jwks | undefined;
  /** Gets keys from where they are kept; undefined for a source that has all it will ever have. */
  readonly fetch: ((done: (keys: Jwks | undefined) => void) => Cancelable) | undefined;
}

/** Keys of the configuration itself; undefined if there is none to use among them. */
export function localKeys(text: string): KeySource | undefined {
  const keys = Jwks.parse(text);
  return keys && { keys, fetch: undefined };
}

export interface RemoteKeysConfig {
  readonly cluster: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly timeoutMs: number;
  /** How long keys are used before they are fetched again. */
  readonly cacheMs: number;
  readonly retry: RetryLimits | undefined;
}

/** A key set of more than this is none. */
const MAX_JWKS_BYTES = 1024 * 1024;
/** Keys that are fetched in the background are fetched this much before they would be too old. */
const REFETCH_AHEAD_MS = 5000;

/** Keys behind a URL. Requests that need them at the same time wait for one fetch. */
export class RemoteKeys implements KeySource {
  readonly #config: RemoteKeysConfig;
  readonly #context: HttpCallContext;
  readonly #stats: JwtStats;
  readonly #log: Logger;
  #current: Jwks | undefined = undefined;
  #expires = 0;
  #waiting = new Set<(keys: Jwks | undefined) => void>();
  #call: Cancelable | undefined = undefined;
  #refetch: Timer | undefined = undefined;
  #background: { readonly failedMs: number } | undefined = undefined;
  #disposed = false;

  constructor(config: RemoteKeysConfig, context: HttpCallContext, stats: JwtStats, log: Logger) {
    this.#config = config;
    this.#context = context;
    this.#stats = stats;
    this.#log = log;
  }

  get keys(): Jwks | undefined {
    return this.#context.timers.now() < this.#expires ? this.#current : undefined;
  }

  readonly fetch = (done: (keys: Jwks | undefined) => void): Cancelable => {
    this.#waiting.add(done);
    if (this.#call === undefined) this.#start();
    return { cancel: () => void this.#waiting.delete(done) };
  };

  #start(): void {
    const { cluster, scheme, authority, path, timeoutMs, retry } = this.#config;
    const headers = Headers.request('GET', path, authority, 'user-agent', 'Go-browser');
    headers.scheme = scheme;
    this.#call = PENDING;
    const call = callHttp(this.#context, { cluster, headers, timeoutMs, maxBytes: MAX_JWKS_BYTES, retry }, (result) => {
      this.#call = undefined;
      if (typeof result === 'string') this.#finish(undefined, result);
      else if (result.headers.status !== 200) this.#finish(undefined, `status ${result.headers.status}`);
      else this.#finish(Jwks.parse(result.body.toString('utf8')), 'no usable key in it');
    });
    if (this.#call === PENDING) this.#call = call;
  }

  #finish(keys: Jwks | undefined, problem: string): void {
    const { timers } = this.#context;
    if (keys === undefined) {
      this.#stats.jwks_fetch_failed++;
      const { scheme, authority, path } = this.#config;
      this.#log.warn(`JWKS ${scheme}://${authority}${path}: ${problem}`);
    } else {
      this.#stats.jwks_fetch_success++;
      this.#current = keys;
      this.#expires = this.#background ? Number.POSITIVE_INFINITY : timers.now() + this.#config.cacheMs;
    }
    this.#scheduleRefetch(keys !== undefined);
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const done of waiting) done(keys);
  }

  /**
   * Fetches the keys now and again and again (`async_fetch`), whether or not a request needs them. The last good ones
   * stay in use while newer ones cannot be had.
   */
  fetchInBackground(failedMs: number, done: () => void): void {
    this.#background = { failedMs };
    this.fetch(done);
  }

  #scheduleRefetch(succeeded: boolean): void {
    if (this.#background === undefined || this.#disposed) return;
    const { cacheMs } = this.#config;
    const goodMs = cacheMs > REFETCH_AHEAD_MS ? cacheMs - REFETCH_AHEAD_MS : cacheMs;
    this.#refetch?.cancel();
    this.#refetch = this.#context.timers.start(succeeded ? goodMs : this.#background.failedMs, () => {
      if (this.#call === undefined) this.#start();
    });
  }

  /** The configuration is gone. Requests that run may still need the keys, so a fetch for them goes on. */
  dispose(): void {
    this.#disposed = true;
    this.#refetch?.cancel();
  }
}

const PENDING: Cancelable = { cancel() {} };
