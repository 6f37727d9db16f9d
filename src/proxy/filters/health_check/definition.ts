import {
  type HealthCheck,
  HealthCheckSchema,
} from '../../../api/gen/envoy/extensions/filters/http/health_check/v3/health_check_pb.ts';
import { durationMs } from '../../config/values.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { headerTest } from '../../router/header-match.ts';
import { MATCHERS } from '../common/supported.ts';
import { HealthCheckFilter, HealthCheckStats, ResponseCache } from './filter.ts';

export const healthCheck: HttpFilterDefinition<HealthCheck> = {
  name: 'envoy.filters.http.health_check',
  schema: HealthCheckSchema,
  supported: {
    ...MATCHERS,
    'envoy.extensions.filters.http.health_check.v3.HealthCheck': [
      'pass_through_mode',
      'cache_time',
      'cluster_min_healthy_percentages',
      'headers',
    ],
    'envoy.type.v3.Percent': ['value'],
  },
  compile(proto, { worker, stats }, errors) {
    if (proto.passThroughMode === undefined) errors.add('pass_through_mode', 'is needed');
    const passThrough = proto.passThroughMode ?? false;
    const minimums = Object.entries(proto.clusterMinHealthyPercentages).map(
      ([name, percent]) => [name, percent.value] as const,
    );
    const cacheMs = durationMs(proto.cacheTime, 0);
    if (!passThrough && cacheMs > 0) errors.add('cache_time', 'can be set with pass_through_mode only');
    if (passThrough && minimums.length > 0) {
      errors.add('cluster_min_healthy_percentages', 'cannot be set with pass_through_mode');
    }
    const config = {
      stats: stats('health_check.', HealthCheckStats),
      tests: proto.headers.map((header, i) => headerTest(header, errors.at('headers').at(i))),
      passThrough,
      minimums,
      cache: cacheMs > 0 ? new ResponseCache(cacheMs, worker.timers) : undefined,
      localCluster: worker.node.cluster,
      health: worker.health,
    };
    return { create: (callbacks) => new HealthCheckFilter(config, callbacks) };
  },
};
