import {
  type LocalRateLimit,
  LocalRateLimitSchema,
} from '../../../api/gen/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit_pb.ts';
import { runtimeFlag } from '../../config/runtime-values.ts';
import type { WorkerContext } from '../../context.ts';
import { type NetworkFilter, type NetworkFilterDefinition, NetworkStatus } from '../../net/network-filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { StatGroup } from '../../observe/stats.ts';
import { type BucketSpec, bucketSpec, TokenBucket } from '../common/token-bucket.ts';

/** Statistics under `local_rate_limit.STAT_PREFIX.`. */
class ConnectionRateStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  rate_limited = 0;
}

/** Buckets that filters of one `share_key` take from together, for as long as one of them is in use. */
const sharedBuckets = new WeakMap<WorkerContext, Map<string, { readonly bucket: TokenBucket; users: number }>>();

export const networkLocalRatelimit: NetworkFilterDefinition<LocalRateLimit> = {
  name: 'envoy.filters.network.local_ratelimit',
  schema: LocalRateLimitSchema,
  supported: {
    'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit': [
      'stat_prefix',
      'token_bucket',
      'runtime_enabled',
      'share_key',
    ],
    'envoy.type.v3.TokenBucket': ['max_tokens', 'tokens_per_fill', 'fill_interval'],
    'envoy.config.core.v3.RuntimeFeatureFlag': ['default_value', 'runtime_key'],
  },
  compile(proto, { worker }, errors) {
    if (proto.statPrefix === '') errors.add('stat_prefix', 'must not be empty');
    if (proto.tokenBucket === undefined) errors.add('token_bucket', 'is needed');
    const spec = proto.tokenBucket && bucketSpec(proto.tokenBucket, errors.at('token_bucket'));
    const leases = new StatLeases(worker.stats, '');
    const stats = leases.acquire(`local_rate_limit.${proto.statPrefix}.`, ConnectionRateStats);
    const enabled = runtimeFlag(proto.runtimeEnabled, true, worker.runtime);
    const { bucket, release } = bucketFor(worker, proto.shareKey, spec ?? { max: 0, rate: 0, fillIntervalMs: 0 });
    return {
      terminal: false,
      create: ({ connection, info }): NetworkFilter => ({
        onNewConnection() {
          if (!enabled.value || bucket.take(1, worker.timers.now()) === 1) return NetworkStatus.Continue;
          stats.rate_limited++;
          info.flags |= ResponseFlag.UpstreamRetryLimitExceeded;
          connection.close('local_ratelimit_close');
          return NetworkStatus.Stop;
        },
      }),
      dispose() {
        leases.release();
        release();
      },
    };
  },
};

function bucketFor(worker: WorkerContext, key: string, spec: BucketSpec) {
  const fresh = () => new TokenBucket(spec.max, spec.rate, worker.timers.now());
  if (key === '') return { bucket: fresh(), release() {} };
  let shared = sharedBuckets.get(worker);
  if (shared === undefined) sharedBuckets.set(worker, (shared = new Map()));
  // As in Envoy, the same key with another bucket is another one.
  const name = JSON.stringify([key, spec]);
  let entry = shared.get(name);
  if (entry === undefined) shared.set(name, (entry = { bucket: fresh(), users: 0 }));
  entry.users++;
  const { bucket } = entry;
  return {
    bucket,
    release() {
      if (--entry.users === 0) shared.delete(name);
    },
  };
}
