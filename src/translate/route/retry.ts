import { create } from '@bufbuild/protobuf';
import { type RetryPolicy, RetryPolicySchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { PreviousHostsPredicateSchema } from '../../api/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts';
import { PreviousPrioritiesConfigSchema } from '../../api/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts';
import type { HttpRetry } from '../../config/kinds/shared/http-policy.ts';
import { filter } from '../proto/any.ts';
import { duration } from '../proto/values.ts';

/** What is retried without anybody asking: only what no program can have begun to work on. */
const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
const DEFAULT_ATTEMPTS = 2;

/**
 * Retries of a route; undefined turns them off. With consistent hashing the same endpoint is tried again, because the hash
 * would not lead elsewhere.
 */
export function retryPolicy(policy: HttpRetry | undefined, hashes: boolean): RetryPolicy | undefined {
  if (policy !== undefined && (policy.attempts ?? 0) <= 0) return undefined;
  const ignorePrevious = policy?.retryIgnorePreviousHosts ?? !hashes;
  const { retryOn, codes } = parseRetryOn(policy?.retryOn);
  return create(RetryPolicySchema, {
    retryOn,
    retriableStatusCodes: codes,
    numRetries: policy?.attempts ?? DEFAULT_ATTEMPTS,
    retryHostPredicate: ignorePrevious
      ? [filter('envoy.retry_host_predicates.previous_hosts', PreviousHostsPredicateSchema, {})]
      : [],
    ...(hashes ? {} : { hostSelectionRetryMaxAttempts: 5n }),
    ...(policy?.perTryTimeout === undefined ? {} : { perTryTimeout: duration(policy.perTryTimeout) }),
    ...(policy?.retryRemoteLocalities
      ? {
          retryPriority: filter('envoy.retry_priorities.previous_priorities', PreviousPrioritiesConfigSchema, {
            updateFrequency: 2,
          }),
        }
      : {}),
    ...(policy?.backoff === undefined ? {} : { retryBackOff: { baseInterval: duration(policy.backoff) } }),
  });
}

/** Numbers among the conditions are status codes. */
function parseRetryOn(text: string | undefined): { retryOn: string; codes: number[] } {
  if (!text) return { retryOn: DEFAULT_RETRY_ON, codes: [] };
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const codes = parts.filter((part) => /^\d+$/.test(part)).map(Number);
  const conditions = parts.filter((part) => !/^\d+$/.test(part));
  if (codes.length > 0 && !conditions.includes('retriable-status-codes')) conditions.push('retriable-status-codes');
  return { retryOn: conditions.join(','), codes };
}
