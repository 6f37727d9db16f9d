import {
  type ConnectionLimit,
  ConnectionLimitSchema,
} from '../../../api/gen/envoy/extensions/filters/network/connection_limit/v3/connection_limit_pb.ts';
import { runtimeFlag } from '../../config/runtime-values.ts';
import { durationMs } from '../../config/values.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { ConnectionLimitFilter, ConnectionLimitStats } from './filter.ts';

export const connectionLimit: NetworkFilterDefinition<ConnectionLimit> = {
  name: 'envoy.filters.network.connection_limit',
  schema: ConnectionLimitSchema,
  supported: {
    'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit': [
      'stat_prefix',
      'max_connections',
      'delay',
      'runtime_enabled',
    ],
    'envoy.config.core.v3.RuntimeFeatureFlag': ['default_value', 'runtime_key'],
  },
  compile(proto, { worker }, errors) {
    if (proto.statPrefix === '') errors.add('stat_prefix', 'must not be empty');
    if (proto.maxConnections === undefined) errors.add('max_connections', 'is needed');
    else if (proto.maxConnections === 0n) errors.add('max_connections', 'must be greater than 0');
    const leases = new StatLeases(worker.stats, '');
    const config = {
      stats: leases.acquire(`connection_limit.${proto.statPrefix}.`, ConnectionLimitStats),
      max: Number(proto.maxConnections ?? 0n),
      delayMs: durationMs(proto.delay, 0),
      connections: 0,
    };
    const enabled = runtimeFlag(proto.runtimeEnabled, true, worker.runtime);
    return {
      terminal: false,
      create: (callbacks) => (enabled.value ? new ConnectionLimitFilter(config, callbacks) : {}),
      dispose: () => leases.release(),
    };
  },
};
