import type { Limit } from './limits.ts';
import { UNIT_SECONDS } from './limits.ts';

/** What is left of a limit after a request. */
export interface Count {
  readonly isOver: boolean;
  readonly remaining: number;
  /** Until the window ends, milliseconds. */
  readonly resetMs: number;
}

interface Window {
  readonly ends: number;
  count: number;
}

/** Counters of this many descriptors are kept. */
const MAX_COUNTERS = 100_000;

/**
 * Counts in fixed windows, which begin at whole units of the clock, as rate limit services do. What is over is counted
 * too. Where there is no more room the counter that was begun first makes way: it begins anew, and lets more through.
 */
export class Counters {
  readonly #windows = new Map<string, Window>();
  readonly #capacity: number;

  constructor(capacity = MAX_COUNTERS) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** Adds to the counter of a key. `now` is in milliseconds since 1970. */
  add(key: string, { requests, unit }: Limit, hits: number, now: number): Count {
    const length = UNIT_SECONDS[unit] * 1000;
    let window = this.#windows.get(key);
    if (window === undefined || window.ends <= now) {
      this.#windows.delete(key);
      this.#makeRoom(now);
      window = { ends: now - (now % length) + length, count: 0 };
      this.#windows.set(key, window);
    }
    window.count = Math.min(window.count + hits, Number.MAX_SAFE_INTEGER);
    return {
      isOver: window.count > requests,
      remaining: Math.max(0, requests - window.count),
      resetMs: window.ends - now,
    };
  }

  #makeRoom(now: number): void {
    if (this.#windows.size < this.#capacity) return;
    for (const [key, { ends }] of this.#windows) if (ends <= now) this.#windows.delete(key);
    for (const [key] of this.#windows) {
      if (this.#windows.size < this.#capacity) return;
      this.#windows.delete(key);
    }
  }
}
