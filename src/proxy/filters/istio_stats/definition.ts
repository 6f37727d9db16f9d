import { type PluginConfig, PluginConfigSchema } from '../../../api/gen/stats/config_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { istioStatsConfig, SUPPORTED } from './config.ts';
import { IstioStatsHttpFilter } from './http-filter.ts';
import { IstioStatsNetworkFilter } from './network-filter.ts';

/** Istio's standard metrics of requests (`istio_requests_total` and its like). */
export const istioStats: HttpFilterDefinition<PluginConfig> = {
  name: 'istio.stats',
  schema: PluginConfigSchema,
  supported: SUPPORTED,
  compile(proto, { worker, direction }, errors) {
    const config = istioStatsConfig(proto, direction, worker, errors);
    return { create: (callbacks) => new IstioStatsHttpFilter(config, callbacks) };
  },
};

/** The same of TCP connections (`istio_tcp_*`). */
export const istioTcpStats: NetworkFilterDefinition<PluginConfig> = {
  name: 'istio.stats',
  schema: PluginConfigSchema,
  supported: SUPPORTED,
  compile(proto, { worker, listener }, errors) {
    const config = istioStatsConfig(proto, listener.direction, worker, errors);
    return { terminal: false, create: (callbacks) => new IstioStatsNetworkFilter(config, callbacks) };
  },
};
