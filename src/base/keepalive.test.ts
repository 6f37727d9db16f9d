import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { askForSignsOfLife, SIGN_OF_LIFE } from './keepalive.ts';

test('a peer that is gone without a word is known to be after eleven seconds', () => {
  const asked: unknown[] = [];
  askForSignsOfLife({ setKeepAlive: (...args: unknown[]) => asked.push(...args) } as unknown as Socket);
  assert.deepEqual(asked, [true, 5000, 2000, 3]);
  const { idle, interval, probes } = SIGN_OF_LIFE;
  assert.equal(idle + interval * probes, 11);
});
