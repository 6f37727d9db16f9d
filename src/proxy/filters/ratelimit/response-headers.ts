import type { HeaderValue } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type RateLimitResponse_DescriptorStatus,
  RateLimitResponse_RateLimit_Unit as Unit,
} from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { wireForm } from '../../../base/bytes.ts';

const SECONDS: Readonly<Record<number, number>> = {
  [Unit.SECOND]: 1,
  [Unit.MINUTE]: 60,
  [Unit.HOUR]: 3600,
  [Unit.DAY]: 24 * 3600,
  [Unit.MONTH]: 30 * 24 * 3600,
  [Unit.YEAR]: 365 * 24 * 3600,
};

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** The limit that is nearest, and all of them (draft-polli-ratelimit-headers-03). */
export function rateLimitHeaders(statuses: readonly RateLimitResponse_DescriptorStatus[]): HeaderList {
  let nearest: RateLimitResponse_DescriptorStatus | undefined;
  let policy = '';
  for (const status of statuses) {
    const limit = status.currentLimit;
    if (limit === undefined) continue;
    if (nearest === undefined || status.limitRemaining < nearest.limitRemaining) nearest = status;
    const window = SECONDS[limit.unit];
    if (window === undefined) continue;
    policy += `, ${limit.requestsPerUnit};w=${window}`;
    if (limit.name !== '') policy += `;name="${limit.name}"`;
  }
  if (nearest === undefined) return [];
  return [
    ['x-ratelimit-limit', wireForm(`${nearest.currentLimit!.requestsPerUnit}${policy}`)],
    ['x-ratelimit-remaining', String(nearest.limitRemaining)],
    ['x-ratelimit-reset', String(nearest.durationUntilReset?.seconds ?? 0)],
  ];
}

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^[^\0\r\n]*$/;

/** Headers that a service wants a message to have. What would end the message, or begin another, is left out. */
export function serviceHeaders(headers: readonly HeaderValue[]): HeaderList {
  return headers
    .map(({ key, value, rawValue }): [string, string] => [
      key.toLowerCase(),
      value === '' ? Buffer.from(rawValue).toString('latin1') : wireForm(value),
    ])
    .filter(([name, value]) => NAME.test(name) && VALUE.test(value));
}
