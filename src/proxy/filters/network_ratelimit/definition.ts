import {
  type RateLimit,
  RateLimitSchema,
} from '../../../api/gen/envoy/extensions/filters/network/ratelimit/v3/rate_limit_pb.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { compileFormat } from '../../observe/format/format.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { GRPC_SERVICE, grpcService } from '../common/grpc-service.ts';
import { RateLimitService } from '../ratelimit/service.ts';
import { type DescriptorMaker, NetworkRateLimitFilter, NetworkRateLimitStats } from './filter.ts';

const COMMON = 'envoy.extensions.common.ratelimit.v3';
const DEFAULT_TIMEOUT_MS = 20;

export const networkRatelimit: NetworkFilterDefinition<RateLimit> = {
  name: 'envoy.filters.network.ratelimit',
  schema: RateLimitSchema,
  supported: {
    ...GRPC_SERVICE,
    'envoy.extensions.filters.network.ratelimit.v3.RateLimit': [
      'stat_prefix',
      'domain',
      'descriptors',
      'timeout',
      'failure_mode_deny',
      'rate_limit_service',
    ],
    // As in Envoy, the service is not told of limits and hits here, so that they are refused.
    [`${COMMON}.RateLimitDescriptor`]: ['entries'],
    [`${COMMON}.RateLimitDescriptor.Entry`]: ['key', 'value'],
    'envoy.config.ratelimit.v3.RateLimitServiceConfig': ['grpc_service', 'transport_api_version'],
  },
  compile(proto, { worker, clusters }, errors) {
    if (proto.statPrefix === '') errors.add('stat_prefix', 'must not be empty');
    if (proto.domain === '') errors.add('domain', 'must not be empty');
    if (proto.descriptors.length === 0) errors.add('descriptors', 'must not be empty');
    if (proto.rateLimitService === undefined) errors.add('rate_limit_service', 'is needed');
    const service = grpcService(
      proto.rateLimitService?.grpcService,
      { clusters, timers: worker.timers, localAddress: worker.node.localAddress },
      durationMs(proto.timeout, DEFAULT_TIMEOUT_MS),
      errors.at('rate_limit_service').at('grpc_service'),
    );
    const leases = new StatLeases(worker.stats, '');
    const config = {
      stats: leases.acquire(`ratelimit.${proto.statPrefix}.`, NetworkRateLimitStats),
      service: new RateLimitService(service),
      domain: proto.domain,
      descriptors: descriptorMakers(proto, errors.at('descriptors')),
      failureModeDeny: proto.failureModeDeny,
    };
    return {
      terminal: false,
      create: (callbacks) => new NetworkRateLimitFilter(config, callbacks),
      dispose: () => leases.release(),
    };
  },
};

function descriptorMakers({ descriptors }: RateLimit, errors: ConfigErrors): readonly DescriptorMaker[] {
  return descriptors.map(({ entries }, i) => {
    const at = errors.at(i).at('entries');
    if (entries.length === 0) at.add('', 'must not be empty');
    const makers = entries.map(({ key, value }, j) => {
      if (key === '') at.at(j).add('key', 'must not be empty');
      try {
        return [key, compileFormat(value)] as const;
      } catch (error) {
        at.at(j).add('value', messageOf(error));
        return [key, compileFormat('')] as const;
      }
    });
    return (info) => ({
      entries: makers.map(([key, format]) => [key, format.render(info, '-')]),
      limit: undefined,
      hits: undefined,
      limitHeaders: undefined,
    });
  });
}
