import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import type { RateLimitDescriptor } from '../api/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts';
import {
  RateLimitResponse_Code as Code,
  RateLimitResponse_RateLimit_Unit as LimitUnit,
  type RateLimitRequest,
  type RateLimitResponse,
  type RateLimitResponse_DescriptorStatusSchema,
  RateLimitResponseSchema,
} from '../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { RateLimitUnit } from '../api/gen/envoy/type/v3/ratelimit_unit_pb.ts';
import type { Clock } from '../base/clock.ts';
import { Counters } from './counters.ts';
import { type Limit, Limits, type Unit } from './limits.ts';

type Status = MessageInitShape<typeof RateLimitResponse_DescriptorStatusSchema>;

const UNITS: Readonly<Record<Unit, LimitUnit>> = {
  second: LimitUnit.SECOND,
  minute: LimitUnit.MINUTE,
  hour: LimitUnit.HOUR,
  day: LimitUnit.DAY,
};
const OVERRIDE_UNITS: Readonly<Record<number, Unit>> = {
  [RateLimitUnit.SECOND]: 'second',
  [RateLimitUnit.MINUTE]: 'minute',
  [RateLimitUnit.HOUR]: 'hour',
  [RateLimitUnit.DAY]: 'day',
};

/** Of one request; more than Envoy makes. */
const MAX_DESCRIPTORS = 100;
const MAX_ENTRIES = 20;
/** What a counter is known by is kept in memory. */
const MAX_KEY_LENGTH = 4096;

/** Answers proxies that ask whether a request is one too many (envoy.service.ratelimit.v3.RateLimitService). */
export class RateLimitService {
  readonly #clock: Clock;
  readonly #counters: Counters;
  #limits = new Limits();

  constructor(clock: Clock, counters = new Counters()) {
    this.#clock = clock;
    this.#counters = counters;
  }

  /** Puts other limits into force. What was counted stays counted. */
  setLimits(limits: Limits): void {
    this.#limits = limits;
  }

  /** Every descriptor is counted; the request is over a limit if one of them is. Without a limit there is nothing to count. */
  shouldRateLimit({ domain, descriptors, hitsAddend }: RateLimitRequest): RateLimitResponse {
    const now = this.#clock.now();
    const hits = hitsAddend || 1;
    const statuses = descriptors
      .slice(0, MAX_DESCRIPTORS)
      .map((descriptor) => this.#count(domain, descriptor, hits, now));
    const isOver = statuses.some(({ code }) => code === Code.OVER_LIMIT);
    return create(RateLimitResponseSchema, { overallCode: isOver ? Code.OVER_LIMIT : Code.OK, statuses });
  }

  #count(domain: string, { entries, limit: override }: RateLimitDescriptor, hits: number, now: number): Status {
    const given = override && OVERRIDE_UNITS[override.unit];
    const limit: Limit | undefined =
      override && given
        ? { requests: override.requestsPerUnit, unit: given }
        : this.#limits.find(domain, entries.slice(0, MAX_ENTRIES));
    if (limit === undefined || entries.length > MAX_ENTRIES) return { code: Code.OK };
    const { isOver, remaining, resetMs } = this.#counters.add(keyOf(domain, entries, limit), limit, hits, now);
    return {
      code: isOver ? Code.OVER_LIMIT : Code.OK,
      currentLimit: { requestsPerUnit: limit.requests, unit: UNITS[limit.unit] },
      limitRemaining: remaining,
      durationUntilReset: duration(resetMs),
    };
  }
}

function keyOf(domain: string, entries: readonly { key: string; value: string }[], { unit }: Limit): string {
  const key = JSON.stringify([domain, unit, ...entries.flatMap(({ key, value }) => [key, value])]);
  return key.length > MAX_KEY_LENGTH ? key.slice(0, MAX_KEY_LENGTH) : key;
}

function duration(ms: number): Duration {
  const seconds = Math.ceil(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds) });
}
