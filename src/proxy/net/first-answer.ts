import type { InitTarget } from './network-filter.ts';

/** Something that a listener waits for until a first answer has come, whatever it is. */
export class FirstAnswer implements InitTarget {
  #answered = false;
  #waiting: (() => void)[] = [];

  whenReady(callback: () => void): void {
    if (this.#answered) callback();
    else this.#waiting.push(callback);
  }

  /** The answer has come, or none will come for the moment. */
  answered(): void {
    this.#answered = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}
