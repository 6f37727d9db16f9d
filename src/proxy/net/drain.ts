import type { DrainSignal } from './network-filter.ts';

/** A drain that has not begun, until somebody begins it. */
export class Drain implements DrainSignal {
  #draining = false;
  #urgent = false;
  readonly #listeners = new Set<() => void>();

  get draining(): boolean {
    return this.#draining;
  }

  get urgent(): boolean {
    return this.#urgent;
  }

  onDrain(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** May be called again to make a drain urgent. */
  begin(urgent = false): void {
    if (this.#draining && (this.#urgent || !urgent)) return;
    this.#draining = true;
    this.#urgent = urgent;
    for (const listener of [...this.#listeners]) listener();
    if (urgent) this.#listeners.clear();
  }
}
