interface Entry<T> {
  deadline: number;
  order: number;
  readonly item: T;
}

/**
 * Earliest-deadline-first scheduling: each entry comes up in proportion to its weight, spread evenly. A binary heap of
 * deadlines; the entry with the earliest is taken and put back 1/weight later.
 */
export class EdfScheduler<T> {
  readonly #heap: Entry<T>[] = [];
  #now = 0;
  #order = 0;

  /** A scheduler that starts anywhere in its sequence, lest all workers and all lists begin with the same item. */
  static withRandomStart<T>(items: readonly T[], weightOf: (item: T) => number, random: () => number): EdfScheduler<T> {
    const scheduler = new EdfScheduler<T>();
    for (const item of items) scheduler.add(weightOf(item), item);
    for (let skip = Math.floor(random() * items.length); skip > 0; skip--) scheduler.pick(weightOf);
    return scheduler;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** `weight` is above 0. */
  add(weight: number, item: T): void {
    this.#push({ deadline: this.#now + 1 / weight, order: this.#order++, item });
  }

  /** Takes the next item and schedules it again with the weight that it has now. */
  pick(weightOf: (item: T) => number): T | undefined {
    const heap = this.#heap;
    if (heap.length === 0) return undefined;
    const entry = heap[0];
    this.#now = entry.deadline;
    entry.deadline = this.#now + 1 / weightOf(entry.item);
    entry.order = this.#order++;
    this.#sink();
    return entry.item;
  }

  #before(a: number, b: number): boolean {
    const x = this.#heap[a];
    const y = this.#heap[b];
    return x.deadline < y.deadline || (x.deadline === y.deadline && x.order < y.order);
  }

  #swap(a: number, b: number): void {
    const entry = this.#heap[a];
    this.#heap[a] = this.#heap[b];
    this.#heap[b] = entry;
  }

  #push(entry: Entry<T>): void {
    let at = this.#heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Lets the first entry sink to where its new deadline belongs. */
  #sink(): void {
    const size = this.#heap.length;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      let least = at;
      if (left < size && this.#before(left, least)) least = left;
      if (left + 1 < size && this.#before(left + 1, least)) least = left + 1;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
