import { type Router, RouterSchema } from '../../../api/gen/envoy/extensions/filters/http/router/v3/router_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { RouterFilter } from './filter.ts';
import { RouterStats } from './stats.ts';

export const router: HttpFilterDefinition<Router> = {
  name: 'envoy.filters.http.router',
  schema: RouterSchema,
  supported: {
    'envoy.extensions.filters.http.router.v3.Router': ['dynamic_stats', 'start_child_span', 'suppress_envoy_headers'],
  },
  compile(config, { worker, stats }) {
    const routerConfig = {
      stats: stats('', RouterStats),
      suppressEnvoyHeaders: config.suppressEnvoyHeaders,
      dynamicStats: config.dynamicStats ?? true,
      startChildSpan: config.startChildSpan,
      localAddress: worker.node.localAddress,
    };
    return { terminal: true, create: (callbacks) => new RouterFilter(routerConfig, callbacks) };
  },
};
