import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HistogramSeries, Series, SeriesFamily } from './series-family.ts';

test('the same labels are the same series', () => {
  const family = new SeriesFamily('a', 'counter', Series);
  const one = family.get([['x', '1']]);
  one.value = 3;
  assert.equal(family.get([['x', '1']]), one);
  assert.notEqual(family.get([['x', '2']]), one);
  assert.notEqual(
    family.get([
      ['x', '1'],
      ['y', ''],
    ]),
    one,
  );
  family.reset();
  assert.equal(one.value, 0);
});

test('there is an end to what peers can bring up', () => {
  const family = new SeriesFamily('a', 'counter', Series);
  for (let i = 0; i < 20_000; i++) family.get([['x', String(i)]]).value++;
  const samples = [...family.samples()];
  assert.equal(samples.length, 10_001);
  const last = samples.at(-1)!;
  assert.deepEqual([last.labels, last.value], [[['x', 'overflow']], 10_000]);
});

test('distributions are not reset', () => {
  const family = new SeriesFamily('a', 'histogram', HistogramSeries);
  family.get([]).value.record(5);
  family.reset();
  assert.equal(family.get([]).value.count, 1);
});
