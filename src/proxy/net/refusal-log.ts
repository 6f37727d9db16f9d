import type { Logger } from '../../base/log.ts';
import { TokenBucket } from '../filters/common/token-bucket.ts';

/** Lines that may come at once, and how many more a second: who knocks all day long does not fill the disk. */
const BURST = 100;
const PER_SECOND = 5;

/** Tells once of each connection that a listener refuses before a byte of it gets to a filter, while these are few. */
export class RefusalLog {
  readonly #log: Logger;
  readonly #bucket: TokenBucket;
  #untold = 0;

  /** `now` is in milliseconds, of the clock that `refused` is given. */
  constructor(log: Logger, now: number) {
    this.#log = log;
    this.#bucket = new TokenBucket(BURST, PER_SECOND, now);
  }

  /** `tell` is asked for a sentence without an end, and only if it will be written. */
  refused(tell: () => string, now: number): void {
    if (!this.#log.enabled('warning')) return;
    if (this.#bucket.take(1, now) === 0) {
      this.#untold++;
      return;
    }
    const more = this.#untold === 0 ? '' : ` (and ${this.#untold} more connections refused before it)`;
    this.#untold = 0;
    this.#log.warn(`${tell()}${more}`);
  }
}
