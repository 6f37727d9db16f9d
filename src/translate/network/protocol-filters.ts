import { create } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { MongoProxySchema } from '../../api/gen/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy_pb.ts';
import { RedisProxySchema } from '../../api/gen/envoy/extensions/filters/network/redis_proxy/v3/redis_proxy_pb.ts';
import type { Protocol } from '../../registry/protocol.ts';
import { filter } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';

/** How long Redis may take to answer a command, milliseconds. */
const REDIS_TIMEOUT = 5000;

/**
 * What ends a connection of this protocol: the TCP proxy, with what counts MongoDB's commands before it; where Redis's commands are
 * told apart (PILOT_ENABLE_REDIS_FILTER) that which sends each to its endpoint, in its place.
 */
export function protocolFilters(
  { features }: ProxyView,
  protocol: Protocol,
  tcpProxy: Filter,
  statPrefix: string,
  cluster: string,
): Filter[] {
  if (protocol === 'Mongo') {
    return [
      create(FilterSchema, filter('envoy.filters.network.mongo_proxy', MongoProxySchema, { statPrefix })),
      tcpProxy,
    ];
  }
  if (protocol !== 'Redis' || !features.redisFilter) return [tcpProxy];
  const redis = {
    statPrefix,
    latencyInMicros: true,
    settings: { opTimeout: duration(REDIS_TIMEOUT) },
    prefixRoutes: { catchAllRoute: { cluster } },
  };
  return [create(FilterSchema, filter('envoy.filters.network.redis_proxy', RedisProxySchema, redis))];
}
