import type { LogFields, Logger } from './log.ts';

/** Lines that may come at once, and how many more a second: who knocks all day long does not fill the disk. */
const BURST = 100;
const PER_SECOND = 5;

/** Tells once of each connection or request that is refused before anybody serves it, while these are few. */
export class RefusalLog {
  readonly #log: Logger;
  /** Lines that may be written now, in parts of one as well. */
  #allowed = BURST;
  /** When that was so. */
  #at: number;
  #untold = 0;

  /** `now` is in milliseconds, of the clock that `refused` is given. */
  constructor(log: Logger, now: number) {
    this.#log = log;
    this.#at = now;
  }

  /** `tell` is asked for a sentence without an end, and only if it will be written; `fields` stand beside it. */
  refused(tell: () => string, now: number, fields?: LogFields): void {
    if (!this.#log.enabled('warning')) return;
    this.#allowed = Math.min(BURST, this.#allowed + (Math.max(0, now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#allowed < 1) {
      this.#untold++;
      return;
    }
    this.#allowed--;
    const more = this.#untold === 0 ? '' : ` (and ${this.#untold} more refused before it)`;
    this.#untold = 0;
    this.#log.warn(`${tell()}${more}`, fields);
  }
}
