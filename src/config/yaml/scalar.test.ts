import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolvePlain } from './scalar.ts';

// What go-yaml v2, by which Kubernetes and Istio read, makes of unquoted text.
const table: readonly (readonly [string, unknown])[] = [
  ['', null],
  ['~', null],
  ['null', null],
  ['NULL', null],
  ['nULL', 'nULL'],
  ['true', true],
  ['True', true],
  ['tRue', 'tRue'],
  ['yes', true],
  ['y', true],
  ['ON', true],
  ['no', false],
  ['N', false],
  ['off', false],
  ['0', 0],
  ['80', 80],
  ['+5', 5],
  ['-5', -5],
  ['0400', 256],
  ['010', 8],
  ['08', 8],
  ['0o17', 15],
  ['0o8', '0o8'],
  ['0x10', 16],
  ['-0x1f', -31],
  ['0x', '0x'],
  ['0b11', 3],
  ['0b2', '0b2'],
  ['1_000', 1000],
  ['1__0', 10],
  ['685_230.15', 685230.15],
  ['1.5', 1.5],
  ['5.', 5],
  ['-.5', -0.5],
  ['1e3', 1000],
  ['12e03', 12000],
  ['1.5e', '1.5e'],
  ['1e', '1e'],
  ['1:30', '1:30'],
  ['2020-01-01', '2020-01-01'],
  ['1.2.3', '1.2.3'],
  ['10.0.0.1', '10.0.0.1'],
  ['5s', '5s'],
  ['.', '.'],
  ['-', '-'],
  ['+', '+'],
  ['=', '='],
  ['<<', '<<'],
  ['.inf', Number.POSITIVE_INFINITY],
  ['-.INF', Number.NEGATIVE_INFINITY],
  ['.nan', Number.NaN],
  ['web', 'web'],
];

for (const [text, value] of table) {
  test(`${JSON.stringify(text)} is ${JSON.stringify(value) ?? String(value)}`, () => {
    assert.deepEqual(resolvePlain(text), value);
  });
}
