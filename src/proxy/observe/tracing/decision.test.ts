import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../wire/headers.ts';
import { decideTrace, type SamplingShares, type TraceReason } from './decision.ts';

const ALL: SamplingShares = { client: 1, random: 1, overall: 1 };
/** Its first eight digits are 1234 modulo 10000. */
const ID = '000004d2-0000-4000-8000-000000000000';
const withDigit = (digit: string) => `${ID.slice(0, 14)}${digit}${ID.slice(15)}`;

interface Row {
  readonly id?: string;
  readonly shares?: Partial<SamplingShares>;
  readonly headers?: readonly string[];
  readonly packs?: boolean;
  readonly reason: TraceReason;
  /** The digit that carries the decision on. */
  readonly digit?: string;
}

const ROWS: Readonly<Record<string, Row>> = {
  'all are traced': { reason: 'sampling', digit: '9' },
  'the id is within the share': { shares: { random: 0.1235 }, reason: 'sampling', digit: '9' },
  'the id is outside of the share': { shares: { random: 0.1234 }, reason: 'none', digit: '4' },
  'forced by a service': {
    shares: { random: 0 },
    headers: ['x-envoy-force-trace', '1'],
    reason: 'service-forced',
    digit: 'a',
  },
  'forced by a client': {
    shares: { random: 0 },
    headers: ['x-client-trace-id', 'c'],
    reason: 'client-forced',
    digit: 'b',
  },
  'a client that may not force': {
    shares: { random: 0, client: 0 },
    headers: ['x-client-trace-id', 'c'],
    reason: 'none',
    digit: '4',
  },
  'decided before': { id: withDigit('9'), shares: { random: 0 }, reason: 'sampling', digit: '9' },
  'forced before': { id: withDigit('a'), shares: { random: 0 }, reason: 'service-forced', digit: 'a' },
  'forced by the client before': { id: withDigit('b'), shares: { random: 0 }, reason: 'client-forced', digit: 'b' },
  'too many over all': { id: withDigit('a'), shares: { overall: 0.01 }, reason: 'none', digit: '4' },
  'the decision is not carried on': { packs: false, reason: 'sampling', digit: '4' },
  'an id that is no number': { id: 'mine', reason: 'none' },
  'a short id that is one': { id: '00000001', reason: 'sampling' },
};

for (const [name, { id = ID, shares, headers: list = [], packs = true, reason, digit }] of Object.entries(ROWS)) {
  test(name, () => {
    const headers = Headers.request('GET', '/', 'h', 'x-request-id', id, ...list);
    assert.equal(
      decideTrace(headers, { ...ALL, ...shares }, packs, () => 0.5),
      reason,
    );
    const after = headers.get('x-request-id');
    if (digit === undefined) assert.equal(after, id);
    else assert.equal(after, withDigit(digit));
  });
}

test('a request without an id is not traced', () => {
  assert.equal(
    decideTrace(Headers.request('GET', '/', 'h'), ALL, true, () => 0),
    'none',
  );
});
