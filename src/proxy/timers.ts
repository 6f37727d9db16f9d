/** A timer that has been started. */
export interface Timer {
  /** Does nothing if it has fired. */
  cancel(): void;
}

/** Time as the data plane sees it: milliseconds of a monotonic clock, and timers. Filters get it handed in. */
export interface Timers {
  /** Milliseconds since some fixed moment; never goes back. Read once per event, so it is cheap and constant within one. */
  now(): number;
  /** Milliseconds since 1970. */
  wallClock(): number;
  /** Calls back after at least `ms` milliseconds. */
  start(ms: number, callback: () => void): Timer;
}

const RESOLUTION = 4;
const SLOTS = 512;
const FINE_SPAN = RESOLUTION * SLOTS;

class Entry implements Timer {
  due: number;
  callback: (() => void) | undefined;
  previous: Entry = this;
  next: Entry = this;

  constructor(due: number, callback: (() => void) | undefined) {
    this.due = due;
    this.callback = callback;
  }

  insertBefore(entry: Entry): void {
    entry.previous = this.previous;
    entry.next = this;
    this.previous.next = entry;
    this.previous = entry;
  }

  cancel(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
    this.callback = undefined;
  }

  get empty(): boolean {
    return this.next === this;
  }
}

/** What the wheel itself runs on; tests bring their own. */
export interface WheelClock {
  now(): number;
  set(ms: number, callback: () => void): unknown;
  clear(handle: unknown): void;
}

const nodeClock: WheelClock = {
  now: () => performance.now(),
  set: (ms, callback) => setTimeout(callback, ms).unref(),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/**
 * A coarse timing wheel. Nearly every timer of a proxy is cancelled before it fires, so starting and cancelling are a
 * few assignments, and a timer may fire up to two ticks late. Near timers hang in slots of 4 ms, far ones
 * in slots of about 2 s from which they move to the near ones when their time comes.
 */
export class TimerWheel implements Timers {
  readonly #fine: Entry[] = Array.from({ length: SLOTS }, () => new Entry(0, undefined));
  readonly #coarse: Entry[] = Array.from({ length: SLOTS }, () => new Entry(0, undefined));
  readonly #onTick: (work: () => void) => void;
  readonly #clock: WheelClock;
  readonly #onFault: (error: unknown) => void;
  #now: number;
  #fresh = false;
  /** The first tick since the clock's zero that has not been looked at. */
  #tick: number;
  #armed: unknown = undefined;
  #armedFor = Infinity;

  /**
   * `onTick` runs the callbacks of one tick: the worker's place to do what follows every event. `onFault` is told of
   * what a callback throws, so that the timers behind it still fire; without, it is thrown on.
   */
  constructor(
    onTick: (work: () => void) => void = (work) => work(),
    clock: WheelClock = nodeClock,
    onFault: (error: unknown) => void = (error) => {
      throw error;
    },
  ) {
    this.#onTick = onTick;
    this.#clock = clock;
    this.#onFault = onFault;
    this.#now = clock.now();
    this.#tick = Math.floor(this.#now / RESOLUTION);
  }

  now(): number {
    if (!this.#fresh) {
      this.#now = this.#clock.now();
      this.#fresh = true;
    }
    return this.#now;
  }

  /** The event is over: the next `now` reads the clock again. */
  newEvent(): void {
    this.#fresh = false;
  }

  wallClock(): number {
    return Date.now();
  }

  start(ms: number, callback: () => void): Timer {
    const now = this.now();
    if (this.#armedFor === Infinity) this.#tick = Math.floor(now / RESOLUTION);
    const entry = new Entry(now + Math.max(0, ms), callback);
    this.#insert(entry);
    const near = entry.due < this.#tick * RESOLUTION + FINE_SPAN - RESOLUTION;
    const due = near ? entry.due : Math.floor(entry.due / FINE_SPAN) * FINE_SPAN;
    if (due + RESOLUTION < this.#armedFor) this.#arm(due);
    return entry;
  }

  #insert(entry: Entry): void {
    const tick = Math.max(this.#tick, Math.ceil(entry.due / RESOLUTION));
    if (tick - this.#tick < SLOTS) this.#fine[tick % SLOTS].insertBefore(entry);
    else this.#coarse[Math.floor(tick / SLOTS) % SLOTS].insertBefore(entry);
  }

  #arm(due: number): void {
    if (this.#armed !== undefined) this.#clock.clear(this.#armed);
    this.#armedFor = due;
    this.#armed = this.#clock.set(Math.max(1, Math.ceil(due - this.#clock.now())), () => this.#turn());
  }

  #turn(): void {
    this.newEvent();
    this.#onTick(() => this.#fireDue(this.now()));
    const next = this.#nextDue();
    if (next < Infinity) {
      this.#arm(next);
      return;
    }
    if (this.#armed !== undefined) this.#clock.clear(this.#armed);
    this.#armed = undefined;
    this.#armedFor = Infinity;
  }

  #fireDue(now: number): void {
    const last = Math.floor(now / RESOLUTION);
    // All before the next slot in use is empty; after an hour without timers that is a long way to walk.
    const used = Math.min(last, this.#nextDue() / RESOLUTION) - 1;
    if (used > this.#tick) this.#tick = used;
    while (this.#tick <= last) {
      const tick = this.#tick;
      const slot = this.#fine[tick % SLOTS];
      while (!slot.empty) {
        const entry = slot.next;
        const { callback } = entry;
        entry.cancel();
        try {
          callback?.();
        } catch (error) {
          this.#onFault(error);
        }
      }
      this.#tick = tick + 1;
      if (this.#tick % SLOTS === 0) this.#cascade(Math.floor((this.#tick * RESOLUTION) / FINE_SPAN) % SLOTS);
    }
  }

  /** Spreads one coarse slot over the fine ones; what is a whole turn away goes back. */
  #cascade(slot: number): void {
    const head = this.#coarse[slot];
    if (head.empty) return;
    const first = head.next;
    const last = head.previous;
    head.next = head;
    head.previous = head;
    for (let entry: Entry | undefined = first; entry !== undefined; ) {
      const next: Entry | undefined = entry === last ? undefined : entry.next;
      this.#insert(entry);
      entry = next;
    }
  }

  /** When the next slot with anything in it comes up. */
  #nextDue(): number {
    let due = Infinity;
    for (let tick = this.#tick; tick < this.#tick + SLOTS; tick++) {
      if (this.#fine[tick % SLOTS].empty) continue;
      due = tick * RESOLUTION;
      break;
    }
    const here = Math.floor((this.#tick * RESOLUTION) / FINE_SPAN);
    for (let turn = here + 1; turn <= here + SLOTS && turn * FINE_SPAN < due; turn++) {
      if (!this.#coarse[turn % SLOTS].empty) return turn * FINE_SPAN;
    }
    return due;
  }
}
