import { VhRateLimitsOptions } from '../../../api/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts';
import {
  type LocalRateLimit,
  LocalRateLimitSchema,
} from '../../../api/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts';
import { wireForm } from '../../../base/bytes.ts';
import { GrpcCode } from '../../../wire/grpc/transport.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { runtimeFraction } from '../../config/runtime-values.ts';
import type { HttpFilterDefinition, RouteConfigContext } from '../../http/filter.ts';
import type { Connection } from '../../net/connection.ts';
import { headerEdits } from '../../router/header-edits.ts';
import { ownRateLimitRules } from '../../router/rate-limits.ts';
import { MATCHERS, RATE_LIMITS } from '../common/supported.ts';
import { bucketSpec } from '../common/token-bucket.ts';
import { type LocalRateLimitConfig, LocalRateLimitFilter } from './filter.ts';
import { type DescriptorSpec, descriptorKey, type LimiterSpec, LocalLimiter } from './limiter.ts';
import { LocalRateLimitStats } from './stats.ts';

const DEFAULT_MAX_DYNAMIC = 20;
const COMMON = 'envoy.extensions.common.ratelimit.v3';

export const localRatelimit: HttpFilterDefinition<LocalRateLimit, LocalRateLimit> = {
  name: 'envoy.filters.http.local_ratelimit',
  schema: LocalRateLimitSchema,
  routeSchema: LocalRateLimitSchema,
  supported: {
    ...MATCHERS,
    ...RATE_LIMITS,
    'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit': [
      'stat_prefix',
      'status',
      'token_bucket',
      'filter_enabled',
      'filter_enforced',
      'request_headers_to_add_when_not_enforced',
      'response_headers_to_add',
      'descriptors',
      'stage',
      'local_rate_limit_per_downstream_connection',
      'enable_x_ratelimit_headers',
      'vh_rate_limits',
      'always_consume_default_token_bucket',
      'rate_limited_as_resource_exhausted',
      'rate_limits',
      'max_dynamic_descriptors',
      'enable_retry_after_header',
    ],
    [`${COMMON}.LocalRateLimitDescriptor`]: ['entries', 'token_bucket', 'shadow_mode'],
    [`${COMMON}.RateLimitDescriptor.Entry`]: ['key', 'value'],
    'envoy.type.v3.HttpStatus': ['code'],
    'envoy.type.v3.TokenBucket': ['max_tokens', 'tokens_per_fill', 'fill_interval'],
  },
  compile(proto, context, errors) {
    const own = compileConfig(proto, context, errors);
    const localCluster = context.worker.node.cluster;
    return {
      create(callbacks) {
        const config = callbacks.routeConfig<LocalRateLimitConfig>() ?? own;
        return config.enabled === 0 ? undefined : new LocalRateLimitFilter(config, localCluster, callbacks);
      },
    };
  },
  compileRoute(proto, context, errors) {
    if (proto.tokenBucket === undefined) errors.add('token_bucket', 'is needed for a route');
    return compileConfig(proto, context, errors);
  },
};

const HOST_LIMITS = {
  [VhRateLimitsOptions.OVERRIDE]: 'override',
  [VhRateLimitsOptions.INCLUDE]: 'include',
  [VhRateLimitsOptions.IGNORE]: 'ignore',
} as const;

function compileConfig(proto: LocalRateLimit, context: RouteConfigContext, errors: ConfigErrors): LocalRateLimitConfig {
  const { timers, runtime } = context.worker;
  const enabled = runtimeFraction(proto.filterEnabled, 0, runtime);
  const enforced = runtimeFraction(proto.filterEnforced, 0, runtime);
  if (proto.statPrefix === '') errors.add('stat_prefix', 'must not be empty');
  const spec = limiterSpec(proto, errors);
  const status = proto.status?.code ?? 0;
  return {
    stats: context.rootStats(`${proto.statPrefix}.http_local_rate_limit.`, LocalRateLimitStats),
    // As in Envoy, anything below an error is the default.
    status: status < 400 ? 429 : status,
    grpcStatus: proto.rateLimitedAsResourceExhausted ? GrpcCode.ResourceExhausted : undefined,
    get enabled() {
      return enabled.value;
    },
    get enforced() {
      return enforced.value;
    },
    requestEdits: headerEdits(proto.requestHeadersToAddWhenNotEnforced, [], errors, 'request_headers'),
    responseEdits: headerEdits(proto.responseHeadersToAdd, [], errors, 'response_headers'),
    stage: proto.stage,
    hasDescriptors: proto.descriptors.length > 0,
    rules: ownRateLimitRules(proto.rateLimits, errors.at('rate_limits')),
    virtualHostLimits: HOST_LIMITS[proto.vhRateLimits as keyof typeof HOST_LIMITS] ?? 'override',
    rateLimitHeaders: proto.enableXRatelimitHeaders !== 0,
    retryAfter: proto.enableRetryAfterHeader,
    limiterFor: proto.localRateLimitPerDownstreamConnection
      ? perConnection(spec, () => timers.now())
      : shared(new LocalLimiter(spec, timers.now())),
  };
}

function shared(limiter: LocalLimiter): LocalRateLimitConfig['limiterFor'] {
  return () => limiter;
}

function perConnection(spec: LimiterSpec, now: () => number): LocalRateLimitConfig['limiterFor'] {
  const limiters = new WeakMap<Connection, LocalLimiter>();
  return (connection) => {
    let limiter = limiters.get(connection);
    if (limiter === undefined) limiters.set(connection, (limiter = new LocalLimiter(spec, now())));
    return limiter;
  };
}

function limiterSpec(proto: LocalRateLimit, errors: ConfigErrors): LimiterSpec {
  const bucket = proto.tokenBucket && bucketSpec(proto.tokenBucket, errors.at('token_bucket'));
  const known = new Set<string>();
  const descriptors = proto.descriptors.map((descriptor, i): DescriptorSpec => {
    const at = errors.at('descriptors').at(i);
    const entries = descriptor.entries.map(({ key, value }) => [wireForm(key), wireForm(value)] as const);
    if (entries.length === 0) at.add('entries', 'must not be empty');
    const key = descriptorKey(entries);
    if (known.has(key)) at.add('entries', 'are those of another descriptor already');
    known.add(key);
    if (descriptor.tokenBucket === undefined) at.add('token_bucket', 'is needed');
    const own = descriptor.tokenBucket && bucketSpec(descriptor.tokenBucket, at.at('token_bucket'));
    return { entries, bucket: own ?? { max: 0, rate: 0, fillIntervalMs: 0 }, shadow: descriptor.shadowMode };
  });
  const maxDynamic = proto.maxDynamicDescriptors ?? DEFAULT_MAX_DYNAMIC;
  if (maxDynamic === 0) errors.add('max_dynamic_descriptors', 'must be greater than 0');
  return { bucket, descriptors, alwaysTakesDefault: proto.alwaysConsumeDefaultTokenBucket ?? true, maxDynamic };
}
