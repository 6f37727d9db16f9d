import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PriorityState } from '../lb/priority-load.ts';
import { PreviousPriorities } from './retry-priority.ts';

const stateOf = (...healthy: number[]): PriorityState => ({
  loads: { healthy: healthy.map((_, i) => (i === 0 ? 100 : 0)), degraded: healthy.map(() => 0) },
  availability: { healthy, degraded: healthy.map(() => 0) },
  panic: healthy.map(() => false),
});

/** The healthy loads of each attempt, where attempts go to the priority with the most load. */
function attempts(state: PriorityState, updateFrequency: number, count: number): number[][] {
  const priorities = new PreviousPriorities(updateFrequency);
  return Array.from({ length: count }, () => {
    const { healthy } = priorities.loads(state);
    priorities.note(healthy.indexOf(Math.max(...healthy)));
    return [...healthy];
  });
}

test('priorities that were tried get no more load, until all were tried', () => {
  assert.deepEqual(attempts(stateOf(100, 100, 100), 1, 5), [
    [100, 0, 0],
    [0, 100, 0],
    [0, 0, 100],
    [100, 0, 0],
    [0, 100, 0],
  ]);
});

test('each change comes after so many attempts', () => {
  assert.deepEqual(attempts(stateOf(100, 100), 2, 6), [
    [100, 0],
    [100, 0],
    [0, 100],
    [0, 100],
    [100, 0],
    [100, 0],
  ]);
});

test('what is left of the load goes by what is available', () => {
  const [, second] = attempts(stateOf(100, 30, 60), 1, 2);
  assert.deepEqual(second, [0, 33 + 1, 66]);
});

test('where nothing is available the load stays as it was', () => {
  assert.deepEqual(attempts(stateOf(0, 0), 1, 3), [
    [100, 0],
    [100, 0],
    [100, 0],
  ]);
});
