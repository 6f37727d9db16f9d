import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Timers } from '../timers.ts';
import { secretsTarget } from './secrets-target.ts';

function setUp() {
  const due = new Set<() => void>();
  const timers: Timers = {
    now: () => 0,
    wallClock: () => 0,
    start: (_ms, callback) => {
      due.add(callback);
      return { cancel: () => void due.delete(callback) };
    },
  };
  let settle = () => {};
  let ready = 0;
  const target = secretsTarget({ whenSettled: (callback) => (settle = callback) }, timers);
  target.whenReady(() => ready++);
  return { due, settle: () => settle(), ready: () => ready };
}

test('a listener is ready when its secrets have come, and leaves no timer', () => {
  const { due, settle, ready } = setUp();
  assert.equal(ready(), 0);
  settle();
  assert.deepEqual([ready(), due.size], [1, 0]);
});

test('a listener waits for a missing secret no longer than it must, and is ready once', () => {
  const { due, settle, ready } = setUp();
  for (const fire of due) fire();
  assert.equal(ready(), 1);
  settle();
  assert.equal(ready(), 1);
});
