import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from './backoff.ts';

const take = (backoff: Backoff, count: number) => Array.from({ length: count }, () => backoff.next());

test('the bound grows to its maximum and starts again after a reset', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 700, random: () => 1 });
  assert.deepEqual(take(backoff, 5), [100, 200, 400, 700, 700]);
  backoff.reset();
  assert.deepEqual(take(backoff, 2), [100, 200]);
});

test('each delay is a share of the bound, and never below the minimum', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 1000, multiplier: 3, minMs: 20, random: () => 0.1 });
  assert.deepEqual(take(backoff, 4), [20, 30, 90, 100]);
});

test('an initial bound above the maximum is the maximum', () => {
  assert.deepEqual(take(new Backoff({ initialMs: 50, maxMs: 10, random: () => 1 }), 2), [10, 10]);
});

test('delays spread over the whole range', () => {
  const backoff = new Backoff({ initialMs: 1000, maxMs: 1000 });
  const delays = take(backoff, 500);
  assert.ok(delays.every((d) => d >= 0 && d <= 1000));
  assert.ok(delays.some((d) => d < 250) && delays.some((d) => d > 750));
});
