import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, describe, outageOf } from './outage.ts';

const answers = (...results: readonly [at: number, ms: number, result: string][]): Answer[] =>
  results.map(([at, ms, result]) => ({ at, ms, result }));

test('from the first bad answer to the first good one after the last, by when they came', () => {
  const seen = answers(
    [900, 10, '503'],
    [1000, 10, '200'],
    [1050, 2000, 'no answer within 2 s'],
    [1100, 100, '503'],
    [3200, 10, '200'],
  );
  const outage = outageOf(seen, 1000);
  assert.deepEqual(outage, {
    asked: 4,
    failed: 2,
    failures: { '503': 1, 'no answer within 2 s': 1 },
    from: 0.2,
    to: 2.21,
  });
  assert.equal(
    describe(outage),
    '2 of 4 requests failed (1 503, 1 no answer within 2 s), from 0.2 s to 2.2 s after the event',
  );
});

test('nothing failed, nothing recovered', () => {
  assert.equal(describe(outageOf(answers([1, 1, '200']), 0)), '1 requests, none failed');
  assert.equal(
    describe(outageOf(answers([1000, 0, '503']), 0)),
    '1 of 1 requests failed (1 503), from 1.0 s on after the event',
  );
});
