import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cumulative, DEFAULT_BUCKETS, Histogram, QUANTILES, quantiles } from './histogram.ts';

function of(...values: number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test('a value lies in the bucket of its two leading digits', () => {
  for (const [value, start, width] of [
    [0, 0, 0],
    [1, 1, 0.1],
    [9, 9, 0.1],
    [10, 10, 1],
    [99, 99, 1],
    [100, 100, 10],
    [109, 100, 10],
    [110, 110, 10],
    [999, 990, 10],
    [1000, 1000, 100],
    [1099, 1000, 100],
    [1100, 1100, 100],
    [99_999, 99_000, 1000],
    [100_000, 100_000, 10_000],
    [3_600_000, 3_600_000, 100_000],
    [123_456_789_012, 120_000_000_000, 10_000_000_000],
    [3.7, 3, 0.1],
    [-5, 0, 0],
    [250.5, 250, 10],
  ] as const) {
    assert.deepEqual(of(value).buckets(), [{ start, width, count: 1 }], `${value}`);
  }
});

test('count and sum are those of the whole numbers', () => {
  const histogram = of(1, 2.9, 1500, 0);
  assert.equal(histogram.count, 4);
  assert.equal(histogram.sum, 1503);
});

test('quantiles are where Envoy puts them', () => {
  // Each of these was printed by Envoy 1.40 for the same values.
  for (const [values, expected] of [
    [
      [42, 47, 49],
      [42.5, 42.5, 47.5, 49.5, 49.5, 49.5, 49.5, 49.5, 49.5, 49.5],
    ],
    [
      [0, 0, 3, 42, 47, 49],
      [0, 0, 3.05, 47.5, 49.5, 49.5, 49.5, 49.5, 49.5, 49.5],
    ],
    [
      [1, 1, 1],
      [1.025, 1.025, 1.05, 1.075, 1.075, 1.075, 1.075, 1.075, 1.075, 1.075],
    ],
    [
      Array(12).fill(1),
      [
        1.0076923076923077, 1.023076923076923, 1.0461538461538462, 1.0692307692307692, 1.0846153846153845,
        1.0923076923076924, 1.0923076923076924, 1.0923076923076924, 1.0923076923076924, 1.0923076923076924,
      ],
    ],
  ] as [number[], number[]][]) {
    assert.deepEqual(quantiles(of(...values).buckets(), QUANTILES), expected);
  }
  assert.deepEqual(quantiles([], QUANTILES), []);
});

test('a bound counts the values that are equal to it', () => {
  const counts = cumulative(of(0, 1, 1, 5, 26, 4_000_000).buckets(), DEFAULT_BUCKETS);
  assert.deepEqual(counts.slice(0, 6), [1, 3, 4, 4, 4, 5]);
  assert.equal(counts.at(-1), 5);
});

test('an interval shows what came between two ticks', () => {
  const histogram = of(5);
  assert.deepEqual(histogram.intervalBuckets(), []);
  histogram.tick();
  assert.deepEqual(histogram.intervalBuckets(), [{ start: 5, width: 0.1, count: 1 }]);
  histogram.record(7);
  histogram.record(5);
  assert.deepEqual(histogram.intervalBuckets(), [{ start: 5, width: 0.1, count: 1 }]);
  histogram.tick();
  assert.deepEqual(histogram.intervalBuckets(), [
    { start: 5, width: 0.1, count: 1 },
    { start: 7, width: 0.1, count: 1 },
  ]);
  histogram.tick();
  assert.deepEqual(histogram.intervalBuckets(), []);
  assert.equal(histogram.buckets().length, 2);
});
