import type { Timer, Timers } from '../../timers.ts';

export interface SpanBufferOptions {
  readonly timers: Timers;
  /** So many spans leave together. */
  readonly minFlush: number;
  /** Milliseconds after which fewer leave as well. */
  readonly intervalMs: number;
  /** Calls of a collector that may be under way; what comes while there are so many is dropped. */
  readonly maxPending: number;
  /** Sends spans; calls back once they are there or lost, maybe from within. */
  send(spans: readonly Uint8Array[], done: () => void): void;
  onDropped(spans: number): void;
  onTimer(): void;
}

/** Calls that a collector that does not answer can hold up. */
export const MAX_PENDING_EXPORTS = 16;

/** Spans on their way to a collector. Bounded: a collector that is slow costs spans, not memory. */
export class SpanBuffer {
  readonly #options: SpanBufferOptions;
  #spans: Uint8Array[] = [];
  #pending = 0;
  #timer: Timer | undefined = undefined;
  #closed = false;

  constructor(options: SpanBufferOptions) {
    this.#options = options;
    this.#arm();
  }

  #arm(): void {
    this.#timer = this.#options.timers.start(this.#options.intervalMs, () => {
      this.#options.onTimer();
      this.flush();
      if (!this.#closed) this.#arm();
    });
  }

  add(span: Uint8Array): void {
    this.#spans.push(span);
    if (this.#spans.length >= this.#options.minFlush) this.flush();
  }

  flush(): void {
    const spans = this.#spans;
    if (spans.length === 0) return;
    this.#spans = [];
    if (this.#pending >= this.#options.maxPending) {
      this.#options.onDropped(spans.length);
      return;
    }
    this.#pending++;
    this.#options.send(spans, () => this.#pending--);
  }

  /** Sends what there is, and waits for nothing more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.flush();
  }
}
