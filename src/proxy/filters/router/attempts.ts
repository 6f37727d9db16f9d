import type { Headers } from '../../../wire/headers.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/**
 * The attempts that a response may still come from: the last that was made, and before it those that have taken too long
 * and are waited for all the same (`hedge_on_per_try_timeout`).
 */
export class Attempts {
  #last: UpstreamRequest | undefined = undefined;
  #hedged: readonly UpstreamRequest[] = NONE;

  get last(): UpstreamRequest | undefined {
    return this.#last;
  }

  set last(attempt: UpstreamRequest | undefined) {
    this.#last = attempt;
  }

  get none(): boolean {
    return this.#last === undefined && this.#hedged.length === 0;
  }

  includes(attempt: UpstreamRequest): boolean {
    return attempt === this.#last || (attempt.hedged && this.#hedged.includes(attempt));
  }

  /** The last attempt goes on beside another one that will be made. */
  hedge(): void {
    const attempt = this.#last;
    if (attempt === undefined) return;
    attempt.hedged = true;
    this.#hedged = [...this.#hedged, attempt];
    this.#last = undefined;
  }

  forget(attempt: UpstreamRequest): void {
    if (attempt === this.#last) this.#last = undefined;
    else this.#hedged = this.#hedged.filter((other) => other !== attempt);
  }

  /** This attempt's response it will be: the others are given up. True if there were any. */
  settleOn(attempt: UpstreamRequest): boolean {
    if (this.#hedged.length === 0) return false;
    this.forget(attempt);
    this.cancel();
    this.#last = attempt;
    return true;
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    for (const attempt of this.#hedged) attempt.sendData(chunk, end);
    this.#last?.sendData(chunk, end);
  }

  sendTrailers(trailers: Headers): void {
    for (const attempt of this.#hedged) attempt.sendTrailers(trailers);
    this.#last?.sendTrailers(trailers);
  }

  /** Gives all of them up, and tells of each before. */
  cancel(tell?: (attempt: UpstreamRequest) => void): void {
    const hedged = this.#hedged;
    const last = this.#last;
    this.#hedged = NONE;
    this.#last = undefined;
    for (const attempt of hedged) {
      tell?.(attempt);
      attempt.cancel();
    }
    if (last === undefined) return;
    tell?.(last);
    last.cancel();
  }
}

const NONE: readonly UpstreamRequest[] = [];
