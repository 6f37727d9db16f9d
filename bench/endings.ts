/** Ends what was started, the last first: what a benchmark has in the place of a test. */
export class Endings {
  readonly #all: (() => void | Promise<void>)[] = [];

  after(end: () => void | Promise<void>): void {
    this.#all.push(end);
  }

  async run(): Promise<void> {
    for (const end of this.#all.reverse()) await end();
  }
}
