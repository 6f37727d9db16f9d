/** Something that gathers output during an event and sends it at the end. */
export interface Flushable {
  flush(): void;
}

/**
 * What one event (a read, a tick of timers, an update) wrote to any connection leaves together when the event is over:
 * head and body in one write, the frames of many streams in one packet.
 */
export class FlushQueue {
  readonly #onFault: (error: unknown) => void;
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];
  #depth = 0;
  #scheduled = false;

  /** `onFault` is told of errors that nobody foresaw; without, they are thrown on. */
  constructor(
    onFault: (error: unknown) => void = (error) => {
      throw error;
    },
  ) {
    this.#onFault = onFault;
  }

  /** An error that is no case of anything, but a fault of ours: it costs the connection that met it, not the process. */
  fault(error: unknown): void {
    this.#onFault(error);
  }

  /** Runs an event. Events nest when one calls into another; the outermost flushes. */
  run(event: () => void): void {
    this.enter();
    try {
      event();
    } finally {
      this.leave();
    }
  }

  enter(): void {
    this.#depth++;
  }

  leave(): void {
    if (--this.#depth === 0 && this.#dirty.length > 0) this.#flush();
  }

  /** Registers for a flush at the end of this event, or soon if there is none. Call once until flushed. */
  add(item: Flushable): void {
    this.#dirty.push(item);
    if (this.#depth > 0 || this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#dirty.length > 0) {
      const items = this.#dirty;
      this.#dirty = this.#spare;
      this.#spare = items;
      for (const item of items) {
        try {
          item.flush();
        } catch (error) {
          this.fault(error);
        }
      }
      items.length = 0;
    }
  }
}
