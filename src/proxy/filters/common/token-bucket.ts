/** Tokens that come at a constant rate, up to a number that can be saved. */
export class TokenBucket {
  readonly #max: number;
  /** Tokens a second. */
  readonly #rate: number;
  #tokens: number;
  /** When the tokens were counted last, in ms. */
  #at: number;

  /** Begins full unless told otherwise. */
  constructor(max: number, rate: number, now: number, tokens = max) {
    this.#max = max;
    this.#rate = rate;
    this.#tokens = tokens;
    this.#at = now;
  }

  /** Takes up to `wanted` whole tokens, and says how many there were. */
  take(wanted: number, now: number): number {
    if (now > this.#at) {
      this.#tokens = Math.min(this.#max, this.#tokens + ((now - this.#at) / 1000) * this.#rate);
      this.#at = now;
    }
    const taken = Math.min(wanted, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return taken;
  }
}
