import {
  type MongoProxy,
  MongoProxySchema,
} from '../../../api/gen/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy_pb.ts';
import type { NetworkFilter, NetworkFilterDefinition } from '../../net/network-filter.ts';

/** Stands before tcp_proxy and lets everything pass. */
const PASS: NetworkFilter = {};

/**
 * `envoy.filters.network.mongo_proxy`, which istiod puts before the TCP proxy of every port that speaks MongoDB. Envoy's
 * reads the messages to count them; this one leaves them alone, and says so. What would change the traffic (`delay`) or
 * tell of it (`access_log`, `emit_dynamic_metadata`) is refused.
 */
export const mongoProxy: NetworkFilterDefinition<MongoProxy> = {
  name: 'envoy.filters.network.mongo_proxy',
  schema: MongoProxySchema,
  supported: { 'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy': ['stat_prefix'] },
  compile({ statPrefix }, { worker, listener }) {
    if (statPrefix !== '')
      worker.log.warn(
        `listener ${listener.name}: commands of MongoDB pass, but are not counted as mongo.${statPrefix}.*`,
      );
    return { terminal: false, create: () => PASS };
  },
};
