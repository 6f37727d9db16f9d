import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Attempts } from './attempts.ts';
import type { UpstreamRequest } from './upstream-request.ts';

function attempt(name: string, heard: string[]) {
  return {
    hedged: false,
    sendData: (chunk: Uint8Array, end: boolean) => void heard.push(`${name} ${chunk.length} ${end}`),
    cancel: () => void heard.push(`${name} cancelled`),
  } as unknown as UpstreamRequest;
}

function two() {
  const heard: string[] = [];
  const [first, second] = [attempt('first', heard), attempt('second', heard)];
  const attempts = new Attempts();
  attempts.last = first;
  attempts.hedge();
  attempts.last = second;
  return { heard, first, second, attempts };
}

test('an attempt that takes long is waited for beside the next', () => {
  const { heard, first, second, attempts } = two();
  assert.deepEqual([attempts.includes(first), attempts.includes(second), attempts.last], [true, true, second]);
  attempts.sendData(Buffer.from('ab'), true);
  assert.deepEqual(heard, ['first 2 true', 'second 2 true']);
  attempts.forget(first);
  assert.deepEqual([attempts.includes(first), attempts.none], [false, false]);
  attempts.forget(second);
  assert.equal(attempts.none, true);
});

test('the one that answers is the last, and the others are given up', () => {
  const { heard, first, attempts } = two();
  assert.equal(attempts.settleOn(first), true);
  assert.deepEqual([heard, attempts.last], [['second cancelled'], first]);
  assert.equal(attempts.settleOn(first), false);
});

test('all are given up, each told of before', () => {
  const { heard, attempts } = two();
  attempts.cancel(() => heard.push('told'));
  assert.deepEqual(heard, ['told', 'first cancelled', 'told', 'second cancelled']);
  assert.equal(attempts.none, true);
});
