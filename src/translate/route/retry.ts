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
    hostSelectionRetryMaxAttempts: 5n,
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

/** Status codes that have a name (Go's `http.StatusText`): only those are read as codes. */
const STATUS_CODE = /^(10[0-3]|20[0-8]|226|30[0-578]|4(0\d|1[0-8]|2[1-6]|28|29|31|51)|50[0-8]|510|511)$/;

const BY_CODES = 'retriable-status-codes';

/** Numbers among the conditions are status codes. */
function parseRetryOn(text: string | undefined): { retryOn: string; codes: number[] } {
  if (!text) return { retryOn: DEFAULT_RETRY_ON, codes: [] };
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const codes = parts.filter((part) => STATUS_CODE.test(part)).map(Number);
  const conditions = parts.filter((part) => !STATUS_CODE.test(part)).join();
  const retryOn = codes.length > 0 && !conditions.includes(BY_CODES) ? `${conditions},${BY_CODES}` : conditions;
  return { retryOn, codes };
}
