import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSamples } from './metrics-text.ts';

const read = (text: string) =>
  readSamples(text, new Set(['a_total', 'b'])).map(({ name, labels, value }) => [
    name,
    Object.fromEntries(labels),
    value,
  ]);

test('samples of the metrics that are wanted', () => {
  assert.deepEqual(read('# TYPE a_total counter\na_total{x="1",y=""} 12\nother{x="1"} 3\nb 0.5 1700000000000\n'), [
    ['a_total', { x: '1', y: '' }, 12],
    ['b', {}, 0.5],
  ]);
});

test('values of labels: escapes, commas and braces are text', () => {
  assert.deepEqual(read(String.raw`a_total{x="a\\b\"c\nd",y="},z=\"1\"",} 1`), [
    ['a_total', { x: 'a\\b"c\nd', y: '},z="1"' }, 1],
  ]);
});

test('what is not in the format is passed over', () => {
  for (const line of ['a_total{x=1} 1', 'a_total{x="1" 1', 'a_total{x="1"} many', 'a_total', 'a_total{x="1"}']) {
    assert.deepEqual(read(`${line}\nb 1\n`), [['b', {}, 1]], line);
  }
});
