export interface BackoffOptions {
  /** Upper bound of the first delay, milliseconds. */
  readonly initialMs: number;
  /** Upper bound of every delay, milliseconds. */
  readonly maxMs: number;
  /** How much the upper bound grows from one delay to the next; 2 unless told. */
  readonly multiplier?: number;
  /** No delay is shorter, so that a run of small random numbers does not become a busy loop; 0 unless told. */
  readonly minMs?: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/**
 * Delays between attempts: exponential with full jitter, as Envoy's `JitteredExponentialBackOffStrategy`. Each delay is
 * uniform between `minMs` and a bound that grows, so that clients which failed together do not come back together.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #bound: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#bound = Math.min(options.initialMs, options.maxMs);
  }

  /** The delay before the next attempt, in whole milliseconds. */
  next(): number {
    const { maxMs, multiplier = 2, minMs = 0, random = Math.random } = this.#options;
    const bound = this.#bound;
    this.#bound = Math.min(bound * multiplier, maxMs);
    return Math.round(Math.max(minMs, random() * bound));
  }

  /** After a success: the next delay is a first one again. */
  reset(): void {
    this.#bound = Math.min(this.#options.initialMs, this.#options.maxMs);
  }
}
