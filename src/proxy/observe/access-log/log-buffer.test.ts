import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { LogBuffer, LogCollectorStats } from './log-buffer.ts';

function bufferOf(maxBytes: number) {
  const timers = new ManualTimers();
  const stats = new LogCollectorStats();
  const sent: number[] = [];
  const collector = { behind: false };
  const buffer = new LogBuffer({
    timers,
    stats,
    maxBytes,
    intervalMs: 1000,
    send(entries) {
      if (collector.behind) return false;
      sent.push(entries.length);
      return true;
    },
  });
  const add = (count: number) => {
    for (let i = 0; i < count; i++) buffer.add(new Uint8Array(10));
  };
  return { add, sent, stats, timers, collector, buffer };
}

test('entries leave by size, and the rest in time', () => {
  const { add, sent, timers } = bufferOf(30);
  add(4);
  assert.deepEqual(sent, [3]);
  timers.advance(1000);
  assert.deepEqual(sent, [3, 1]);
  timers.advance(5000);
  assert.deepEqual(sent, [3, 1]);
  assert.equal(timers.waiting, 0);
});

test('without a buffer each leaves by itself', () => {
  const { add, sent } = bufferOf(0);
  add(2);
  assert.deepEqual(sent, [1, 1]);
});

test('what a collector that is behind does not take is dropped and counted, and the rest kept', () => {
  const { add, sent, stats, timers, collector } = bufferOf(30);
  collector.behind = true;
  add(10);
  assert.equal(stats.logs_written, 3);
  assert.equal(stats.logs_dropped, 7);
  collector.behind = false;
  timers.advance(1000);
  assert.deepEqual(sent, [3]);
  add(1);
  assert.equal(stats.logs_written, 4);
});
