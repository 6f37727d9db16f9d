import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LimiterSpec, LocalLimiter } from './limiter.ts';

const bucket = (max: number, rate: number) => ({ max, rate, fillIntervalMs: 1000 });
const as = (...entries: [string, string][]) => ({ entries, limit: undefined });
const SPEC: LimiterSpec = {
  bucket: bucket(4, 4),
  descriptors: [
    { entries: [['who', 'a']], bucket: bucket(2, 1) },
    { entries: [['where', 'b']], bucket: bucket(3, 0.5) },
  ],
  alwaysTakesDefault: true,
};

/** How many of ten requests pass. */
function passing(spec: Partial<LimiterSpec>, ...descriptors: ReturnType<typeof as>[]): number {
  const limiter = new LocalLimiter({ ...SPEC, ...spec }, 0);
  let count = 0;
  for (let i = 0; i < 10; i++) if (limiter.request(descriptors, 0).allowed) count++;
  return count;
}

test('how many requests pass', () => {
  assert.equal(passing({}), 4);
  assert.equal(passing({}, as(['who', 'a'])), 2);
  assert.equal(passing({}, as(['where', 'b'])), 3);
  assert.equal(passing({}, as(['who', 'a']), as(['where', 'b'])), 2);
  assert.equal(passing({}, as(['who', 'a'], ['where', 'b'])), 4);
  assert.equal(passing({}, as(['who', 'x'])), 4);
  assert.equal(passing({ bucket: undefined }), 10);
  assert.equal(passing({ bucket: bucket(1, 1) }, as(['who', 'a'])), 1);
  assert.equal(passing({ bucket: bucket(1, 1), alwaysTakesDefault: false }, as(['who', 'a'])), 2);
  assert.equal(passing({}, as(['who', 'a']), as(['who', 'a'])), 2);
});

test('the slowest bucket is asked first, so that others keep their tokens', () => {
  const limiter = new LocalLimiter(SPEC, 0);
  const both = [as(['who', 'a']), as(['where', 'b'])];
  for (let i = 0; i < 5; i++) limiter.request([as(['where', 'b'])], 0);
  const { allowed, bucket: slow } = limiter.request(both, 0);
  assert.deepEqual([allowed, slow?.max], [false, 3]);
  assert.equal(limiter.request([as(['who', 'a'])], 0).allowed, true);
});

test('tokens come back with time', () => {
  const limiter = new LocalLimiter({ ...SPEC, bucket: bucket(1, 2) }, 0);
  const at = (ms: number) => limiter.request([], ms).allowed;
  assert.deepEqual(
    [at(0), at(0), at(499), at(500), at(501), at(60_000), at(60_000)],
    [true, false, false, true, false, true, false],
  );
});
