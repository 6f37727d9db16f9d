import type { HeaderValue } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  RateLimitResponse_Code as Code,
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

/**
 * The limit that is nearest, and all that are to be told (draft-polli-ratelimit-headers-03). As in Envoy, nothing is
 * told if the nearest is not to be.
 */
export function rateLimitHeaders(
  statuses: readonly RateLimitResponse_DescriptorStatus[],
  told: (index: number) => boolean,
): [name: string, value: string][] {
  let nearest: RateLimitResponse_DescriptorStatus | undefined;
  let nearestTold = false;
  let policy = '';
  for (const [i, status] of statuses.entries()) {
    const limit = status.currentLimit;
    if (limit === undefined) continue;
    const isTold = told(i);
    if (nearest === undefined || status.limitRemaining < nearest.limitRemaining) {
      nearest = status;
      nearestTold = isTold;
    }
    const window = SECONDS[limit.unit];
    if (!isTold || window === undefined) continue;
    policy += `, ${limit.requestsPerUnit};w=${window}`;
    if (limit.name !== '') policy += `;name="${limit.name}"`;
  }
  if (nearest === undefined || !nearestTold) return [];
  return [
    ['x-ratelimit-limit', wireForm(`${nearest.currentLimit!.requestsPerUnit}${policy}`)],
    ['x-ratelimit-remaining', String(nearest.limitRemaining)],
    ['x-ratelimit-reset', String(nearest.durationUntilReset?.seconds ?? 0)],
  ];
}

/** Seconds until no limit is exceeded any more; undefined where the service does not tell. */
export function retryAfter(statuses: readonly RateLimitResponse_DescriptorStatus[]): number | undefined {
  let seconds: number | undefined;
  for (const { code, durationUntilReset } of statuses) {
    if (code !== Code.OVER_LIMIT || durationUntilReset === undefined) continue;
    seconds = Math.max(seconds ?? 0, Number(durationUntilReset.seconds));
  }
  return seconds;
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
