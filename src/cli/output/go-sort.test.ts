import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goSort } from './go-sort.ts';

/** A sequence that is the same in every run: a linear congruential generator. */
function sequence(length: number, range: number): number[] {
  let state = length;
  return Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state % range;
  });
}

test('sorts whatever it is given', () => {
  for (const length of [0, 1, 2, 12, 13, 49, 50, 51, 200, 1000]) {
    const patterns = [
      sequence(length, 1e9),
      sequence(length, 3),
      Array.from({ length }, (_, i) => i),
      Array.from({ length }, (_, i) => -i),
      Array.from({ length }, (_, i) => i % 7),
      Array.from({ length }, (_, i) => (i < length / 2 ? i : length - i)),
      Array<number>(length).fill(1),
    ];
    for (const items of patterns) {
      const expected = [...items].sort((a, b) => a - b);
      assert.deepEqual(
        goSort([...items], (a, b) => a < b),
        expected,
        `${length}`,
      );
    }
  }
});

test('equal items of a short list keep their order, those of a long one come as Go has them', () => {
  const key = (text: string) => text[0]!;
  const short = ['b1', 'a1', 'b2', 'a2'];
  assert.deepEqual(
    goSort(short, (a, b) => key(a) < key(b)),
    ['a1', 'a2', 'b1', 'b2'],
  );
  const names = Array.from({ length: 13 }, (_, i) => `${i % 2 ? 'a' : 'b'}${i}`);
  const sorted = goSort([...names], (a, b) => key(a) < key(b));
  assert.deepEqual(sorted.map(key).join(''), 'aaaaaabbbbbbb');
  assert.notDeepEqual(
    sorted,
    [...names].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0)),
  );
});
