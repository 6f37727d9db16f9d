/** A set of numbers that forgets the oldest. */
export class RecentIds {
  readonly #limit: number;
  readonly #ids = new Set<number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(id: number): void {
    const ids = this.#ids;
    ids.add(id);
    if (ids.size <= this.#limit) return;
    for (const oldest of ids) {
      ids.delete(oldest);
      return;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
