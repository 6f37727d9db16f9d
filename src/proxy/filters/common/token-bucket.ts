import type { TokenBucket as Proto } from '../../../api/gen/envoy/type/v3/token_bucket_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';

/** Tokens that come at a constant rate, up to a number that can be saved. */
export class TokenBucket {
  readonly max: number;
  /** Tokens a second. */
  readonly rate: number;
  #tokens: number;
  /** When the tokens were counted last, in ms. */
  #at: number;

  /** Begins full unless told otherwise. */
  constructor(max: number, rate: number, now: number, tokens = max) {
    this.max = max;
    this.rate = rate;
    this.#tokens = tokens;
    this.#at = now;
  }

  /** Takes up to `wanted` whole tokens, and says how many there were. */
  take(wanted: number, now: number): number {
    this.#fill(now);
    const taken = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }

  /** Takes so many tokens if there are as many, and says whether there were. Fewer than none are given back. */
  takeAll(wanted: number, now: number): boolean {
    this.#fill(now);
    if (wanted === 0 || this.#tokens < wanted) return false;
    this.#tokens = Math.min(this.max, this.#tokens - wanted);
    return true;
  }

  /** Tokens that are there, in parts of one as well. */
  tokens(now: number): number {
    this.#fill(now);
    return this.#tokens;
  }

  #fill(now: number): void {
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.max, this.#tokens + ((now - this.#at) / 1000) * this.rate);
    this.#at = now;
  }
}

/** `envoy.type.v3.TokenBucket`, checked. */
export interface BucketSpec {
  readonly max: number;
  /** Tokens a second. */
  readonly rate: number;
  readonly fillIntervalMs: number;
}

const MIN_FILL_INTERVAL_MS = 50;

/** Reads `envoy.type.v3.TokenBucket`. */
export function bucketSpec(proto: Proto, errors: ConfigErrors): BucketSpec {
  const { maxTokens, tokensPerFill = 1, fillInterval } = proto;
  const fillIntervalMs = durationMs(fillInterval, 0);
  if (maxTokens === 0) errors.add('max_tokens', 'must be greater than 0');
  if (tokensPerFill === 0) errors.add('tokens_per_fill', 'must be greater than 0');
  if (fillIntervalMs < MIN_FILL_INTERVAL_MS) errors.add('fill_interval', `must be at least ${MIN_FILL_INTERVAL_MS} ms`);
  return { max: maxTokens, rate: (tokensPerFill * 1000) / fillIntervalMs, fillIntervalMs };
}
