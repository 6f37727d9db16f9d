import type { Kept } from '../../src/config/store/applied-places.ts';

/** A value that nothing keeps beyond the test. */
export function inMemory<T>(initial: T): Kept<T> {
  let value = initial;
  return {
    get value() {
      return value;
    },
    async set(next) {
      value = next;
    },
  };
}
