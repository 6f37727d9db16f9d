import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LimiterSpec, LocalLimiter } from './limiter.ts';

const bucket = (max: number, rate: number) => ({ max, rate, fillIntervalMs: 1000 });
const hit = (hits: number | undefined, ...entries: [string, string][]) => ({
  entries,
  limit: undefined,
  hits,
  limitHeaders: undefined,
});
const as = (...entries: [string, string][]) => hit(undefined, ...entries);
const SPEC: LimiterSpec = {
  bucket: bucket(4, 4),
  descriptors: [
    { entries: [['who', 'a']], bucket: bucket(2, 1), shadow: false },
    { entries: [['where', 'b']], bucket: bucket(3, 0.5), shadow: false },
  ],
  alwaysTakesDefault: true,
  maxDynamic: 2,
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

test('a bucket for each value, for those used last', () => {
  const wild = { entries: [['who', ''] as const], bucket: bucket(2, 1), shadow: false };
  const limiter = new LocalLimiter({ ...SPEC, bucket: bucket(99, 1), descriptors: [...SPEC.descriptors, wild] }, 0);
  const left = (who: string) => Math.floor(limiter.request([as(['who', who])], 0).bucket?.tokens(0) ?? -1);
  assert.deepEqual(['x', 'y', 'x', 'z', 'x', 'y', 'a', ''].map(left), [1, 1, 0, 1, 0, 1, 1, 1]);
  assert.equal(limiter.request([as(['who', 'q'], ['where', 'b'])], 0).bucket?.max, 99);
});

test('what is in shadow mode is counted, not refused', () => {
  const shadow = { entries: [['who', 's'] as const], bucket: bucket(1, 1), shadow: true };
  const limiter = new LocalLimiter({ ...SPEC, descriptors: [shadow] }, 0);
  const seen = Array.from({ length: 5 }, () => limiter.request([as(['who', 's'])], 0));
  assert.deepEqual(
    seen.map(({ allowed, shadowed }) => [allowed, shadowed]),
    [
      [true, false],
      [true, true],
      [true, true],
      [true, true],
      [false, false],
    ],
  );
});

test('requests that count as several, as none, or give back', () => {
  const limiter = new LocalLimiter({ ...SPEC, bucket: bucket(99, 1) }, 0);
  const allowed = (hits: number) => limiter.request([hit(hits, ['where', 'b'])], 0).allowed;
  assert.deepEqual([2, 2, -1, 2, -9, 3, 0].map(allowed), [true, false, true, true, true, true, false]);
});
