import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageCounter } from './message-counter.ts';

const message = (length: number): number[] => [0, 0, 0, length >> 8, length & 255, ...Array<number>(length).fill(1)];

test('messages are counted as they begin, however they are cut', () => {
  const body = Uint8Array.from([...message(3), ...message(0), ...message(300), ...message(1)]);
  const whole = new MessageCounter();
  assert.equal(whole.receive(body), 4);
  for (let size = 1; size < 20; size++) {
    const counter = new MessageCounter();
    let begun = 0;
    for (let at = 0; at < body.length; at += size) begun += counter.receive(body.subarray(at, at + size));
    assert.deepEqual([begun, counter.count], [4, 4], `pieces of ${size}`);
  }
});

test('a message counts with its first octet', () => {
  const counter = new MessageCounter();
  assert.deepEqual([counter.receive(new Uint8Array(0)), counter.receive(Uint8Array.of(0))], [0, 1]);
  assert.equal(counter.receive(Uint8Array.of(0, 0, 0, 1)), 0);
  assert.equal(counter.receive(Uint8Array.of(9)), 0);
  assert.equal(counter.receive(Uint8Array.of(1)), 1);
});

test('a length of all bits does not run over', () => {
  const counter = new MessageCounter();
  counter.receive(Uint8Array.of(0, 255, 255, 255, 255));
  assert.equal(counter.receive(new Uint8Array(1000)), 0);
});
