import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseCoding, type Offer } from './accept-encoding.ts';

const offer = (coding: string, more: Partial<Offer> = {}): Offer => ({
  coding,
  first: false,
  takes: () => true,
  ...more,
});
const GZIP = [offer('gzip')];
const ALL = [offer('gzip'), offer('br'), offer('zstd', { takes: (type) => type === 'text/plain' })];

const CASES: readonly (readonly [string | undefined, readonly Offer[], string])[] = [
  [undefined, GZIP, 'identity: no header'],
  ['gzip', GZIP, 'gzip: used'],
  ['GZIP', GZIP, 'identity: not valid'],
  ['gzip;q=0', GZIP, 'identity: not valid'],
  ['gzip;q=x', GZIP, 'identity: not valid'],
  ['br', GZIP, 'identity: not valid'],
  ['', GZIP, 'identity: not valid'],
  ['identity, gzip', GZIP, 'identity: identity'],
  ['identity;q=0.1, gzip;q=0.2', GZIP, 'gzip: used'],
  ['*', GZIP, 'gzip: wildcard'],
  ['br, *;q=0.1', GZIP, 'gzip: wildcard'],
  ['*', [], 'identity: not valid'],
  ['gzip, br', ALL, 'gzip: used'],
  ['br;q=0.8, gzip;q=0.9', ALL, 'gzip: used'],
  ['br, gzip', [offer('gzip', { first: true }), offer('br')], 'gzip: used'],
  ['br;q=0.9, gzip', [offer('gzip'), offer('br', { first: true })], 'gzip: used'],
];

for (const [accept, offers, wanted] of CASES) {
  test(`${accept} of ${offers.map((o) => o.coding)}`, () => {
    const { coding, verdict } = chooseCoding(accept, 'text/html', offers);
    assert.equal(`${coding}: ${verdict}`, wanted);
  });
}

test('a compressor that does not take the type offers nothing', () => {
  assert.equal(chooseCoding('zstd, gzip;q=0.1', 'text/html', ALL).coding, 'gzip');
  assert.equal(chooseCoding('zstd, gzip;q=0.1', 'text/plain', ALL).coding, 'zstd');
});
