import type { DrainSignal } from './network-filter.ts';

/** A drain that has not begun, until somebody begins it. */
export class Drain implements DrainSignal {
  #draining = false;
  readonly #listeners = new Set<() => void>();

  get draining(): boolean {
    return this.#draining;
  }

  onDrain(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  begin(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }
}
