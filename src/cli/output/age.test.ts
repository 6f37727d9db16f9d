import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatAge } from './age.ts';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

const AGES: readonly (readonly [number, string])[] = [
  [-5 * S, '0s'],
  [0, '0s'],
  [119.9 * S, '119s'],
  [2 * M, '2m'],
  [2 * M + S, '2m1s'],
  [9 * M + 59 * S, '9m59s'],
  [10 * M + 30 * S, '10m'],
  [179 * M, '179m'],
  [3 * H, '3h'],
  [7 * H + 59 * M, '7h59m'],
  [8 * H + 30 * M, '8h'],
  [47 * H, '47h'],
  [48 * H, '2d'],
  [7 * D + 23 * H, '7d23h'],
  [8 * D + 5 * H, '8d'],
  [729 * D, '729d'],
  [730 * D, '2y'],
  [731 * D, '2y1d'],
  [8 * 365 * D + D, '8y'],
];

for (const [ms, text] of AGES) it(`${ms} ms are ${text}`, () => assert.equal(formatAge(ms), text));
