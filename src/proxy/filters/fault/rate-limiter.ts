import type { FilterCallbacks } from '../../http/filter.ts';
import type { Timer } from '../../timers.ts';
import { TokenBucket } from '../common/token-bucket.ts';

/** How often a response that has used its share up goes on: what each turn sends is a twentieth of a second's. */
const TURN_MS = 50;

/** Holds the body of a response back so that it leaves at a rate. */
export class ResponseRateLimiter {
  readonly #callbacks: FilterCallbacks;
  readonly #bucket: TokenBucket;
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #trailersWait = false;
  #paused = false;
  #timer: Timer | undefined = undefined;

  /** `limit`: bytes that may wait here before the upstream is slowed down. */
  constructor(kbps: number, limit: number, callbacks: FilterCallbacks) {
    const rate = kbps * 1024;
    this.#callbacks = callbacks;
    this.#bucket = new TokenBucket(rate, rate, callbacks.timers.now(), (rate * TURN_MS) / 1000);
    this.#limit = limit;
  }

  data(chunk: Uint8Array, end: boolean): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#ended = end;
    this.#slowDown();
    this.#timer ??= this.#callbacks.timers.start(0, () => this.#turn());
  }

  /** Says whether the trailers have to wait for body. */
  trailers(): boolean {
    this.#trailersWait = this.#bytes > 0;
    return this.#trailersWait;
  }

  #slowDown(): void {
    const pause = this.#bytes > this.#limit;
    if (pause === this.#paused) return;
    this.#paused = pause;
    this.#callbacks.pauseResponse(pause);
  }

  #turn(): void {
    const { timers } = this.#callbacks;
    this.#timer = undefined;
    let allowed = this.#bucket.take(this.#bytes, timers.now());
    this.#bytes -= allowed;
    const last = this.#bytes === 0;
    if (!last) this.#timer = timers.start(TURN_MS, () => this.#turn());
    const sent: Uint8Array[] = [];
    while (allowed > 0) {
      const chunk = this.#chunks[0];
      if (chunk.length > allowed) {
        sent.push(chunk.subarray(0, allowed));
        this.#chunks[0] = chunk.subarray(allowed);
        allowed = 0;
      } else {
        sent.push(chunk);
        this.#chunks.shift();
        allowed -= chunk.length;
      }
    }
    const end = last && this.#ended;
    if (sent.length > 0 || end) this.#callbacks.injectResponseData(joined(sent), end);
    if (last && this.#trailersWait) this.#callbacks.continueResponse();
    this.#slowDown();
  }

  destroy(): void {
    this.#timer?.cancel();
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}
