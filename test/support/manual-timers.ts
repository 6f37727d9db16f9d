import type { Timer, Timers } from '../../src/proxy/timers.ts';

/** Time that stands still until a test moves it. */
export class ManualTimers implements Timers {
  #now = 0;
  #waiting: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallClock(): number {
    return Date.UTC(2030, 0, 1) + this.#now;
  }

  start(ms: number, callback: () => void): Timer {
    const entry = { at: this.#now + ms, callback };
    this.#waiting.push(entry);
    return { cancel: () => (this.#waiting = this.#waiting.filter((e) => e !== entry)) };
  }

  newEvent(): void {}

  /** Number of timers that have been started and have neither fired nor been cancelled. */
  get waiting(): number {
    return this.#waiting.length;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#waiting.filter((e) => e.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((e) => e !== next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }
}
