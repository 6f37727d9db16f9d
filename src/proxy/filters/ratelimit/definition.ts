import {
  RateLimitPerRoute_VhRateLimitsOptions as HostOptions,
  type RateLimit,
  type RateLimitPerRoute,
  RateLimitPerRouteSchema,
  RateLimitSchema,
} from '../../../api/gen/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.ts';
import type { HttpStatus } from '../../../api/gen/envoy/type/v3/http_status_pb.ts';
import { GrpcCode } from '../../../wire/grpc/transport.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { runtimeFraction } from '../../config/runtime-values.ts';
import { durationMs } from '../../config/values.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { headerEdits } from '../../router/header-edits.ts';
import { ownRateLimitRules } from '../../router/rate-limits.ts';
import { GRPC_SERVICE, grpcService } from '../common/grpc-service.ts';
import { StatsByCluster } from '../common/stats-by-cluster.ts';
import { MATCHERS, RATE_LIMITS } from '../common/supported.ts';
import type { VirtualHostLimits } from './descriptors.ts';
import { type RateLimitConfig, RateLimitFilter, type RateLimitRouteConfig } from './filter.ts';
import { RateLimitService } from './service.ts';

const V3 = 'envoy.extensions.filters.http.ratelimit.v3';
const DEFAULT_TIMEOUT_MS = 20;
const MAX_STAGE = 10;

export const ratelimit: HttpFilterDefinition<RateLimit, RateLimitPerRoute> = {
  name: 'envoy.filters.http.ratelimit',
  schema: RateLimitSchema,
  routeSchema: RateLimitPerRouteSchema,
  supported: {
    ...MATCHERS,
    ...GRPC_SERVICE,
    ...RATE_LIMITS,
    [`${V3}.RateLimit`]: [
      'domain',
      'stage',
      'request_type',
      'timeout',
      'failure_mode_deny',
      'rate_limited_as_resource_exhausted',
      'rate_limit_service',
      'enable_x_ratelimit_headers',
      'disable_x_envoy_ratelimited_header',
      'rate_limited_status',
      'response_headers_to_add',
      'status_on_error',
      'stat_prefix',
      'filter_enabled',
      'filter_enforced',
      'failure_mode_deny_percent',
      'rate_limits',
      'metadata_namespace',
      'enable_retry_after_header',
    ],
    [`${V3}.RateLimitPerRoute`]: ['vh_rate_limits', 'domain'],
    'envoy.config.ratelimit.v3.RateLimitServiceConfig': ['grpc_service', 'transport_api_version'],
    'envoy.type.v3.HttpStatus': ['code'],
  },
  compile(proto, context, errors) {
    const { worker, clusters } = context;
    const byCluster = new StatsByCluster(
      worker,
      proto.statPrefix === '' ? 'ratelimit.' : `ratelimit.${proto.statPrefix}.`,
    );
    if (proto.domain === '') errors.add('domain', 'must not be empty');
    if (proto.stage > MAX_STAGE) errors.add('stage', `must be at most ${MAX_STAGE}`);
    if (proto.rateLimitService === undefined) errors.add('rate_limit_service', 'is needed');
    const service = grpcService(
      proto.rateLimitService?.grpcService,
      { clusters, timers: worker.timers, localAddress: worker.node.localAddress },
      durationMs(proto.timeout, DEFAULT_TIMEOUT_MS),
      errors.at('rate_limit_service').at('grpc_service'),
    );
    const { runtime } = worker;
    const enabled = runtimeFraction(proto.filterEnabled, 1, runtime);
    const enforced = runtimeFraction(proto.filterEnforced, 1, runtime);
    const failureDenied = runtimeFraction(proto.failureModeDenyPercent, proto.failureModeDeny ? 1 : 0, runtime);
    const config: RateLimitConfig = {
      service: new RateLimitService(service),
      byCluster,
      domain: proto.domain,
      stage: proto.stage,
      requestType: requestType(proto.requestType, errors),
      rules: ownRateLimitRules(proto.rateLimits, errors.at('rate_limits')),
      get enabled() {
        return enabled.value;
      },
      get enforced() {
        return enforced.value;
      },
      get failureDenied() {
        return failureDenied.value;
      },
      status: errorStatus(proto.rateLimitedStatus, 429),
      statusOnError: errorStatus(proto.statusOnError, 500),
      grpcStatus: proto.rateLimitedAsResourceExhausted ? GrpcCode.ResourceExhausted : undefined,
      limitHeaders: proto.enableXRatelimitHeaders !== 0,
      limitedHeader: !proto.disableXEnvoyRatelimitedHeader,
      retryAfter: proto.enableRetryAfterHeader,
      metadataNamespace: proto.metadataNamespace || 'envoy.filters.http.ratelimit',
      responseEdits: headerEdits(proto.responseHeadersToAdd, [], errors, 'response_headers'),
      localCluster: worker.node.cluster,
    };
    return {
      create: (callbacks) => new RateLimitFilter(config, callbacks),
      dispose: () => byCluster.release(),
    };
  },
  compileRoute: (proto): RateLimitRouteConfig => ({
    domain: proto.domain,
    virtualHostLimits: HOST_OPTIONS[proto.vhRateLimits as number] ?? 'override',
  }),
};

const HOST_OPTIONS: Readonly<Record<number, VirtualHostLimits>> = {
  [HostOptions.OVERRIDE]: 'override',
  [HostOptions.INCLUDE]: 'include',
  [HostOptions.IGNORE]: 'ignore',
};

function requestType(text: string, errors: ConfigErrors): RateLimitConfig['requestType'] {
  if (text === 'internal' || text === 'external') return text;
  if (text !== '' && text !== 'both') errors.add('request_type', 'must be internal, external or both');
  return 'both';
}

/** As in Envoy, anything below an error is the default. */
function errorStatus(proto: HttpStatus | undefined, otherwise: number): number {
  return proto === undefined || proto.code < 400 ? otherwise : proto.code;
}
