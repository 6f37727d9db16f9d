import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readObjects } from '../config/read.ts';
import { ObjectsSnapshot } from '../config/store/objects.ts';
import { type Entry, type Limit, Limits, limitsOf } from './limits.ts';

const per = (unit: 'second' | 'minute', requests_per_unit: number) => ({ rate_limit: { unit, requests_per_unit } });

const LIMITS = new Limits([
  [
    'd',
    [
      { key: 'user', ...per('second', 5), descriptors: [{ key: 'path', value: '/slow', ...per('minute', 1) }] },
      { key: 'user', value: 'root', ...per('second', 100) },
      { key: 'open' },
      { key: 'empty', value: '', ...per('second', 7) },
    ],
  ],
  ['e', [{ key: 'user', ...per('second', 6) }]],
]);

/** `key=value ...` as the entries of a descriptor. */
const entries = (text: string): Entry[] =>
  text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => ({ key: part.slice(0, part.indexOf('=')), value: part.slice(part.indexOf('=') + 1) }));

const table: readonly (readonly [string, string, string | undefined])[] = [
  ['d', 'user=ann', '5/second'],
  ['d', 'user=root', '100/second'],
  ['d', 'user=ann path=/slow', '1/minute'],
  ['d', 'user=ann path=/fast', undefined],
  // The exact value leads away from what is behind any value, as with rate limit services.
  ['d', 'user=root path=/slow', undefined],
  ['d', 'open=x', undefined],
  ['d', 'empty=anything', '7/second'],
  ['d', 'path=/slow', undefined],
  ['d', '', undefined],
  ['e', 'user=root', '6/second'],
  ['f', 'user=root', undefined],
];

const show = (limit: Limit | undefined) => limit && `${limit.requests}/${limit.unit}`;

describe('the limit of a descriptor', () => {
  for (const [domain, text, expected] of table) {
    test(`${domain}: ${text || 'nothing'} -> ${expected ?? 'none'}`, () => {
      assert.equal(show(LIMITS.find(domain, entries(text))), expected);
    });
  }

  test('keys and values that run together are not mixed up', () => {
    const limits = new Limits([['d', [{ key: 'ab', value: 'c', ...per('second', 1) }]]]);
    assert.equal(limits.find('d', entries('a=bc')), undefined);
  });
});

test('limits come from RateLimits and from the oldest GlobalConfig of that type', () => {
  const global = (name: string, requests: number) =>
    JSON.stringify({
      apiVersion: 'enroute.saaras.io/v1',
      kind: 'GlobalConfig',
      metadata: { name, creationTimestamp: name === 'old' ? '2020-01-01T00:00:00Z' : '2021-01-01T00:00:00Z' },
      spec: {
        type: 'globalconfig_ratelimit',
        config: JSON.stringify({ domain: 'enroute', descriptors: [{ key: 'a', ...per('second', requests) }] }),
      },
    });
  const own = JSON.stringify({
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: 'RateLimit',
    metadata: { name: 'own' },
    spec: {
      shared: {
        domain: 'own',
        descriptors: [{ entries: [{ remoteAddress: 'x' }] }],
        limits: [{ key: 'remote_address', rateLimit: { unit: 'day', requestsPerUnit: 3 } }],
      },
    },
  });
  const { entries: read } = readObjects([global('new', 2), global('old', 1), own].join('\n---\n'), 'f.yaml');
  const config = ObjectsSnapshot.empty.next(new Map(read.map((e) => [e.key!, e.object!])), [], []);
  const limits = limitsOf(config);
  assert.equal(show(limits.find('enroute', entries('a=b'))), '1/second');
  assert.equal(show(limits.find('own', entries('remote_address=10.0.0.1'))), '3/day');
});
