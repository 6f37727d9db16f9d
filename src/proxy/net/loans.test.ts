import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, keepBytes, keepForGood, LARGE, leaveLoan, loanOf, takeLoan } from './loans.ts';

/** A buffer that a socket has read into, and has left for another one. */
function readOnce() {
  const loan = takeLoan();
  return { loan, bytes: loan.buffer, leave: () => leaveLoan(loan) };
}

/** Buffers that can be taken now; they are held until the test is over. */
function taken(count: number): Set<unknown> {
  return new Set(Array.from({ length: count }, () => takeLoan().buffer.buffer));
}

test('what is short, or of a buffer that all read into, is copied', () => {
  const common = Buffer.alloc(2 * LARGE, 'a');
  const { bytes } = readOnce();
  for (const [buffer, end] of [
    [common, common.length],
    [bytes, LARGE - 1],
  ] as const) {
    const kept = keepBytes(buffer, 0, end);
    assert.equal(kept.length, end);
    assert.notEqual(kept.buffer, buffer.buffer);
    assert.equal(loanOf(kept), undefined);
  }
});

test('a buffer is taken again when all that was lent has been written', () => {
  const { bytes, loan, leave } = readOnce();
  const kept = keepBytes(bytes, 10, 10 + 2 * LARGE);
  assert.deepEqual([kept.buffer, kept.byteOffset, kept.length], [bytes.buffer, 10, 2 * LARGE]);
  leave();
  // In pieces, as a connection with frames writes it.
  for (const piece of [kept.subarray(0, 100), kept.subarray(100, LARGE)]) giveBack(loanOf(piece)!, piece.length);
  assert.ok(!taken(50).has(bytes.buffer), 'the rest is on its way still');
  giveBack(loan, LARGE);
  assert.ok(taken(1).has(bytes.buffer));
});

test('not while a socket reads into it', () => {
  const { bytes, loan, leave } = readOnce();
  giveBack(loan, keepBytes(bytes, 0, LARGE).length);
  assert.ok(!taken(50).has(bytes.buffer));
  assert.ok(loan.lent, 'so the socket leaves it');
  leave();
  assert.ok(taken(1).has(bytes.buffer));
});

test('never again where a part is kept for good, whoever gives back what', () => {
  const { bytes, loan, leave } = readOnce();
  const first = keepBytes(bytes, 0, LARGE);
  const second = keepBytes(bytes, LARGE, 2 * LARGE);
  assert.equal(loanOf(first), loan);
  keepForGood(second);
  assert.equal(loanOf(first), undefined);
  leave();
  giveBack(loan, first.length);
  giveBack(loan, second.length);
  assert.ok(!taken(50).has(bytes.buffer));
});

test('what was lent and is never written is not waited for', () => {
  const { bytes, leave } = readOnce();
  keepBytes(bytes, 0, LARGE);
  leave();
  assert.ok(!taken(50).has(bytes.buffer));
});

test('an empty piece gives nothing back: a buffer is not taken by two at once', () => {
  const { bytes, loan, leave } = readOnce();
  const kept = keepBytes(bytes, 0, LARGE);
  leave();
  giveBack(loan, kept.length);
  assert.ok(loanOf(kept.subarray(0, 0)) === undefined);
});
