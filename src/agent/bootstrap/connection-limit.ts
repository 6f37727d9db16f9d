import { UserError } from '../../base/errors.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';

const METADATA = 'GLOBAL_DOWNSTREAM_MAX_CONNECTIONS';
const FLAG = 'overload.global_downstream_max_connections';
/** As good as none; Envoy warns where there is none. */
const NO_LIMIT = 2 ** 31 - 1;

/**
 * `overload_manager` with the limit of connections of all clients together: `connectionSettings`, else
 * `ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS`, else the runtime flag that was there before both.
 */
export function overloadManager(proxyConfig: ProxyConfig, metadata: Readonly<Record<string, unknown>>): object {
  const { connectionSettings, runtimeValues } = proxyConfig;
  const limit =
    connectionSettings?.globalDownstreamConnectionLimit ||
    numberOf(`ISTIO_META_${METADATA}`, metadata[METADATA]) ||
    numberOf(`runtimeValues.${FLAG}`, runtimeValues?.[FLAG]) ||
    NO_LIMIT;
  return {
    refresh_interval: '0.25s',
    resource_monitors: [
      {
        name: 'envoy.resource_monitors.global_downstream_max_connections',
        typed_config: {
          '@type':
            'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
          max_active_downstream_connections: limit,
        },
      },
    ],
  };
}

function numberOf(name: string, value: unknown): number | undefined {
  if (value === undefined || value === '') return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new UserError(`${name} must be a whole number of connections, 1 or more, not ${String(value)}.`);
  return number;
}
