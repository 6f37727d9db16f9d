import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overdueReason, replacementDue } from './overdue.ts';
import type { WorkloadState } from './state.ts';

const certificate = { key: '', chain: '', identity: '', serial: '1', notBefore: 0, notAfter: 100_000 };
const good: WorkloadState = {
  certificate,
  roots: 'r',
  lastRenewal: 0,
  renewalDue: 50_000,
  lastError: undefined,
};
const lastError = { message: 'no answer', at: 50_001 };

for (const [what, state, now, reason] of [
  ['before it is due', good, 49_999, undefined],
  ['while it may be on its way', good, 59_999, undefined],
  ['long after', good, 60_000, 'renewal is late'],
  ['as soon as an attempt has failed', { ...good, lastError }, 50_001, 'renewal fails: no answer'],
  ['not for an attempt that was early', { ...good, lastError }, 49_000, undefined],
  ['not where nothing is planned', { ...good, renewalDue: undefined }, 99_999, undefined],
  ['without any', { ...good, certificate: undefined, lastError }, 0, 'there is no certificate: no answer'],
  ['at the very start', { ...good, certificate: undefined }, 0, undefined],
] as const) {
  test(`overdue ${what}`, () => assert.equal(overdueReason(state, now), reason));
}

test('what nobody renews is due with a tenth left, or 30 days', () => {
  const day = 24 * 3_600_000;
  assert.equal(replacementDue({ notBefore: 0, notAfter: 100 * day }), 90 * day);
  assert.equal(replacementDue({ notBefore: 0, notAfter: 3650 * day }), 3620 * day);
});
