import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counters } from './counters.ts';

const SECOND = { requests: 2, unit: 'second' } as const;

describe('counters', () => {
  test('let a window have so many requests, and begin anew with the next', () => {
    const counters = new Counters();
    const at = (now: number) => counters.add('k', SECOND, 1, now);
    assert.deepEqual(at(10_400), { isOver: false, remaining: 1, resetMs: 600 });
    assert.deepEqual(at(10_900), { isOver: false, remaining: 0, resetMs: 100 });
    assert.deepEqual(at(10_999), { isOver: true, remaining: 0, resetMs: 1 });
    assert.deepEqual(at(11_000), { isOver: false, remaining: 1, resetMs: 1000 });
  });

  test('have windows at whole units of the clock', () => {
    const hour = 3_600_000;
    assert.equal(new Counters().add('k', { requests: 1, unit: 'hour' }, 1, 5 * hour + 1).resetMs, hour - 1);
    assert.equal(new Counters().add('k', { requests: 1, unit: 'day' }, 1, 24 * hour).resetMs, 24 * hour);
  });

  test('count several hits at once, and each key alone', () => {
    const counters = new Counters();
    assert.equal(counters.add('a', SECOND, 3, 0).isOver, true);
    assert.equal(counters.add('b', SECOND, 2, 0).isOver, false);
    assert.equal(counters.add('none', { requests: 0, unit: 'second' }, 1, 0).isOver, true);
  });

  test('keep no more than there is room for: those that are over make way first, then the oldest', () => {
    const counters = new Counters(2);
    counters.add('old', { requests: 1, unit: 'day' }, 1, 0);
    counters.add('short', SECOND, 1, 0);
    counters.add('new', SECOND, 1, 2000);
    assert.equal(counters.size, 2);
    assert.equal(counters.add('old', { requests: 1, unit: 'day' }, 1, 2000).isOver, true);
    counters.add('newer', SECOND, 1, 2000);
    assert.equal(counters.size, 2);
    assert.equal(counters.add('old', { requests: 1, unit: 'day' }, 1, 2000).isOver, false);
  });
});
