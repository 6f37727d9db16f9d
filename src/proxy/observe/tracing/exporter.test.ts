import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { SpanBuffer } from './exporter.ts';

function bufferOf() {
  const timers = new ManualTimers();
  const sent: number[] = [];
  const pending: (() => void)[] = [];
  const counts = { dropped: 0, timer: 0 };
  const buffer = new SpanBuffer({
    timers,
    minFlush: 2,
    intervalMs: 1000,
    maxPending: 2,
    send(spans, done) {
      sent.push(spans.length);
      pending.push(done);
    },
    onDropped: (spans) => (counts.dropped += spans),
    onTimer: () => counts.timer++,
  });
  const add = (count: number) => {
    for (let i = 0; i < count; i++) buffer.add(new Uint8Array(1));
  };
  return { buffer, timers, sent, pending, counts, add };
}

test('spans leave when there are enough', () => {
  const { add, sent } = bufferOf();
  add(3);
  assert.deepEqual(sent, [2]);
});

test('the rest leaves in time', () => {
  const { add, sent, timers, counts } = bufferOf();
  add(1);
  timers.advance(999);
  assert.deepEqual(sent, []);
  timers.advance(1);
  assert.deepEqual(sent, [1]);
  timers.advance(1000);
  assert.deepEqual(sent, [1], 'nothing is not sent');
  assert.equal(counts.timer, 2);
});

test('a collector that does not answer costs spans', () => {
  const { add, sent, pending, counts } = bufferOf();
  add(6);
  assert.deepEqual(sent, [2, 2]);
  assert.equal(counts.dropped, 2);
  pending[0]();
  add(2);
  assert.deepEqual(sent, [2, 2, 2]);
  assert.equal(counts.dropped, 2);
});

test('the end sends what there is', () => {
  const { buffer, add, sent, timers } = bufferOf();
  add(1);
  buffer.close();
  assert.deepEqual(sent, [1]);
  assert.equal(timers.waiting, 0);
});
