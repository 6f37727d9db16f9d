import { fromBinary } from '@bufbuild/protobuf';
import type { OverloadManager } from '../api/gen/envoy/config/overload/v3/overload_pb.ts';
import { DownstreamConnectionsConfigSchema } from '../api/gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.ts';
import { typeNameOf } from '../api/registry.ts';
import type { ConfigErrors } from './config/errors.ts';
import { StatGroup, type StatsStore } from './observe/stats.ts';

const MAX_CONNECTIONS = 'envoy.resource_monitors.global_downstream_max_connections';

/** Statistics of a resource monitor (Envoy's `overload.NAME.`). */
class MonitorStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['pressure']);
  failed_updates = 0;
  pressure = 0;
}

/**
 * The limit that a bootstrap's `overload_manager` puts on connections of clients; undefined for none. Other monitors, and
 * what is to be done when they are under pressure, are refused.
 */
export function maxDownstreamConnections(
  proto: OverloadManager | undefined,
  stats: StatsStore,
  errors: ConfigErrors,
): number | undefined {
  let limit: number | undefined;
  proto?.resourceMonitors.forEach(({ name, configType }, i) => {
    const at = errors.at('resource_monitors').at(i);
    const any = configType.value;
    if (any === undefined || typeNameOf(any.typeUrl) !== DownstreamConnectionsConfigSchema.typeName) {
      at.add('typed_config', `${any?.typeUrl ?? name} is not supported: only ${MAX_CONNECTIONS} is`);
      return;
    }
    const { maxActiveDownstreamConnections } = fromBinary(DownstreamConnectionsConfigSchema, any.value);
    if (maxActiveDownstreamConnections <= 0n) {
      at.add('typed_config.max_active_downstream_connections', 'must be greater than 0');
    }
    if (limit !== undefined) at.add('', 'stands there twice');
    limit = Number(maxActiveDownstreamConnections);
    stats.add(`overload.${MAX_CONNECTIONS}.`, new MonitorStats());
  });
  if (proto && proto.actions.length > 0) errors.add('actions', 'are not supported');
  if (proto && proto.loadshedPoints.length > 0) errors.add('loadshed_points', 'are not supported');
  return limit;
}
