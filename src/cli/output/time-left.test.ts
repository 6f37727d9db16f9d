import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLeft, formatMinute } from './time-left.ts';

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 24 * 3_600_000];

for (const [ms, text] of [
  [0, '0s'],
  [59 * SECOND, '59s'],
  [MINUTE, '1m'],
  [HOUR - SECOND, '59m'],
  [HOUR, '1h0m'],
  [DAY - MINUTE, '23h59m'],
  [3649 * DAY + 23 * HOUR, '3649d23h'],
  [-2 * MINUTE, 'expired 2m ago'],
] as const) {
  test(`${ms} ms are ${text}`, () => assert.equal(formatLeft(ms), text));
}

test('a minute in UTC', () => assert.equal(formatMinute(Date.UTC(2030, 0, 31, 23, 59, 59)), '2030-01-31 23:59'));
