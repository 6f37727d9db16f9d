import { http } from '../../base/node-http.ts';
import type { HttpRetry } from '../kinds/shared/http-policy.ts';
import type { Report } from '../report.ts';
import { closest, didYouMean } from '../schema/suggest.ts';
import { checkDuration } from './scalars.ts';

/** Conditions of Envoy's `x-envoy-retry-on` and `x-envoy-retry-grpc-on`. */
const RETRY_ON = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** The rules for retries of a route, and of the mesh by default. */
export function validateHttpRetry(retries: HttpRetry | undefined, report: Report): void {
  if (retries === undefined) return;
  const attempts = retries.attempts ?? 0;
  if (attempts < 0) report.error(`must not be negative, is ${attempts}`, 'attempts');
  if (attempts === 0) {
    for (const field of ['perTryTimeout', 'retryOn', 'retryRemoteLocalities'] as const) {
      if (retries[field] !== undefined && retries[field] !== '')
        report.error('has no meaning when attempts is 0, which turns retries off', field);
    }
  }
  if (retries.perTryTimeout !== undefined) report.check(checkDuration(retries.perTryTimeout), 'perTryTimeout');
  if (retries.backoff !== undefined) report.check(checkDuration(retries.backoff), 'backoff');
  if (!retries.retryOn) return;
  for (const condition of retries.retryOn.split(',')) {
    if (RETRY_ON.has(condition) || (/^\d+$/.test(condition) && http.STATUS_CODES[Number(condition)] !== undefined))
      continue;
    const guess = didYouMean(closest(condition, RETRY_ON));
    report.error(
      `has ${JSON.stringify(condition)}, which is neither a condition for retries nor an HTTP status${guess}`,
      'retryOn',
    );
  }
}
