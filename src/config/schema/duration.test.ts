import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from './duration.ts';

const table: readonly (readonly [string, number | undefined])[] = [
  ['0', 0],
  ['0s', 0],
  ['5s', 5000],
  ['1.5s', 1500],
  ['.5s', 500],
  ['1.s', 1000],
  ['250ms', 250],
  ['1h30m', 5_400_000],
  ['1h2m3s4ms', 3_723_004],
  ['-1s', -1000],
  ['+1s', 1000],
  ['1us', 0.001],
  ['1µs', 0.001],
  ['1ns', 0.000001],
  ['1.0005s', 1000.5],
  ['2562047h', 2562047 * 3_600_000],
  ['', undefined],
  ['5', undefined],
  ['s', undefined],
  ['-', undefined],
  ['.s', undefined],
  ['1d', undefined],
  ['1 s', undefined],
  ['1S', undefined],
  ['1s2', undefined],
  ['--1s', undefined],
  ['2562048h', undefined],
];

for (const [text, milliseconds] of table) {
  test(`${JSON.stringify(text)} is ${milliseconds}`, () => assert.equal(parseDuration(text), milliseconds));
}

test('what is formatted reads back', () => {
  for (const milliseconds of [0, 1, 999, 1000, 1500, 0.5, 0.000001, 3_723_004, -5000, -0.25]) {
    assert.equal(parseDuration(formatDuration(milliseconds)), milliseconds, formatDuration(milliseconds));
  }
});
