/** How many at once, and how fast they come back. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  tokens: number;
  /** Milliseconds, when `tokens` was right. */
  at: number;
}

/** One token bucket per key, in bounded memory: beyond `maxKeys` the one that was used longest ago is forgotten. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, maxKeys: number) {
    this.#rate = rate;
    this.#maxKeys = maxKeys;
  }

  /** Takes one token; false if there is none. `now` is in milliseconds and may be any clock's. */
  take(key: string, now: number): boolean {
    const { burst, perSecond } = this.#rate;
    const known = this.#buckets.get(key);
    const elapsed = known ? Math.max(now - known.at, 0) : 0;
    const bucket = { tokens: known ? Math.min(known.tokens + (elapsed * perSecond) / 1000, burst) : burst, at: now };
    const taken = bucket.tokens >= 1;
    if (taken) bucket.tokens--;
    // Deleting first moves the key to the end, so the order of the map is the order of use.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#maxKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    return taken;
  }

  get size(): number {
    return this.#buckets.size;
  }
}
