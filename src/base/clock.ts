/** Stops a timer. Stopping one that has fired, or twice, does nothing. */
export type Cancel = () => void;

/** Time as a dependency, so that whatever waits for hours can be tested in microseconds. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Calls back once, `ms` milliseconds from now, never synchronously. Any length is allowed. */
  setTimer(ms: number, callback: () => void): Cancel;
}

/** Beyond this `setTimeout` fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  setTimer(ms, callback) {
    let left = ms;
    let handle: NodeJS.Timeout;
    const arm = () => {
      const step = Math.min(Math.max(left, 0), LONGEST_TIMEOUT_MS);
      left -= step;
      handle = setTimeout(left > 0 ? arm : callback, step);
    };
    arm();
    return () => clearTimeout(handle);
  },
};

interface ManualTimer {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now: number;
  #timers: ManualTimer[] = [];

  constructor(now = Date.UTC(2030, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  setTimer(ms: number, callback: () => void): Cancel {
    const timer = { at: this.#now + Math.max(ms, 0), callback };
    const after = this.#timers.findIndex((t) => t.at > timer.at);
    this.#timers.splice(after === -1 ? this.#timers.length : after, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.length;
  }

  /** When the next timer fires, or undefined if there is none. */
  get next(): number | undefined {
    return this.#timers[0]?.at;
  }

  /** Moves on by `ms`, firing what falls due on the way, in order and each at its own time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    while (this.#timers.length > 0 && this.#timers[0].at <= end) {
      const timer = this.#timers.shift()!;
      this.#now = timer.at;
      timer.callback();
    }
    this.#now = end;
  }
}
