import type { LocalLimit } from '../../config/kinds/rate-limit/schema.ts';
import { typeUrl } from '../enroute/patches.ts';

const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const;
const ALWAYS = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

/** Envoy's local rate limit: a bucket that each proxy fills for itself. Without a limit it lets everything through. */
export function localRateLimit(limit: LocalLimit | undefined): object {
  return {
    '@type': typeUrl('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'),
    stat_prefix: 'http_local_rate_limiter',
    ...(limit && {
      token_bucket: bucket(limit),
      filter_enabled: { ...ALWAYS, runtime_key: 'local_rate_limit_enabled' },
      filter_enforced: { ...ALWAYS, runtime_key: 'local_rate_limit_enforced' },
    }),
  };
}

/** A unit's worth of tokens comes at once when the unit is over, as in Istio's own examples. */
function bucket({ requests, unit, burst = requests }: LocalLimit): object {
  return { max_tokens: burst, tokens_per_fill: requests, fill_interval: `${SECONDS[unit]}s` };
}
