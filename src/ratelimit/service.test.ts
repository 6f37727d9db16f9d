import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
} from '../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { RateLimitUnit } from '../api/gen/envoy/type/v3/ratelimit_unit_pb.ts';
import { ManualClock } from '../base/clock.ts';
import { Limits } from './limits.ts';
import { RateLimitService } from './service.ts';

const LIMITS = new Limits([['d', [{ key: 'user', rate_limit: { unit: 'MINUTE', requests_per_unit: 2 } }]]]);

function started() {
  const clock = new ManualClock(0);
  const service = new RateLimitService(clock);
  service.setLimits(LIMITS);
  const ask = (users: readonly string[], more: { hitsAddend?: number; domain?: string; limit?: object } = {}) =>
    service.shouldRateLimit(
      create(RateLimitRequestSchema, {
        domain: more.domain ?? 'd',
        hitsAddend: more.hitsAddend ?? 0,
        descriptors: users.map((value) => ({
          entries: [{ key: 'user', value }],
          ...(more.limit && { limit: more.limit }),
        })),
      }),
    );
  return { clock, service, ask };
}

describe('the rate limit service', () => {
  test('says with each answer what the limit is and what is left of it', () => {
    const { ask } = started();
    const [status] = ask(['ann']).statuses;
    assert.equal(status?.currentLimit?.requestsPerUnit, 2);
    assert.equal(status?.limitRemaining, 1);
    assert.equal(status?.durationUntilReset?.seconds, 60n);
  });

  test('is over once one of the descriptors is, and counts all of them', () => {
    const { ask } = started();
    ask(['ann']);
    ask(['ann']);
    const both = ask(['ann', 'bob']);
    assert.equal(both.overallCode, Code.OVER_LIMIT);
    assert.deepEqual(
      both.statuses.map(({ code }) => code),
      [Code.OVER_LIMIT, Code.OK],
    );
    assert.equal(ask(['bob']).statuses[0]?.limitRemaining, 0);
  });

  test('lets through what has no limit, in a domain that nobody knows as well', () => {
    const { ask } = started();
    assert.equal(ask(['ann'], { domain: 'other' }).overallCode, Code.OK);
    assert.equal(ask([]).overallCode, Code.OK);
  });

  test('takes the number of hits, and a limit that the request brings', () => {
    const { ask } = started();
    assert.equal(ask(['ann'], { hitsAddend: 3 }).overallCode, Code.OVER_LIMIT);
    const limit = { requestsPerUnit: 1, unit: RateLimitUnit.HOUR };
    assert.equal(ask(['ann'], { limit }).overallCode, Code.OK);
    assert.equal(ask(['ann'], { limit }).overallCode, Code.OVER_LIMIT);
  });

  test('keeps counting when limits change, and begins anew with the next window', () => {
    const { ask, service, clock } = started();
    ask(['ann'], { hitsAddend: 2 });
    service.setLimits(new Limits([['d', [{ key: 'user', rate_limit: { unit: 'minute', requests_per_unit: 3 } }]]]));
    assert.equal(ask(['ann']).overallCode, Code.OK);
    assert.equal(ask(['ann']).overallCode, Code.OVER_LIMIT);
    clock.advance(60_000);
    assert.equal(ask(['ann']).overallCode, Code.OK);
  });
});
