/** Something that gathers output during an event and sends it at the end. */
export interface Flushable {
  flush(): void;
}

/**
 * What one event (a read, a tick of timers, an update) wrote to any connection leaves together when the event is over:
 * head and body in one write, the frames of many streams in one packet.
 */
export class FlushQueue {
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];
  #depth = 0;
  #scheduled = false;

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
      for (const item of items) item.flush();
      items.length = 0;
    }
  }
}
