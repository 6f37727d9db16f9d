import { proxyAddresses } from './addresses.ts';
import { adminAddress, clusters } from './clusters.ts';
import { overloadManager } from './connection-limit.ts';
import { discoveryOf } from './discovery.ts';
import { staticListeners } from './listeners.ts';
import { type BootstrapNode, buildNode, type NodeOptions } from './node.ts';
import { services } from './services.ts';
import { statsConfig, statsIntervals } from './stats-config.ts';

export interface BootstrapOptions extends Omit<NodeOptions, 'pilotSan'> {
  /** Whether the bootstrap is for Envoy, which has things that our proxy does without. */
  readonly forEnvoy: boolean;
  /** The port that the status server really listens on. */
  readonly statusPort: number;
  /** Path of the socket that secrets come from, as the proxy finds it. */
  readonly sdsSocket: string;
  /** Roots for discovery that are not the mesh's: a path as the proxy finds it. */
  readonly discoveryRoots: string | undefined;
  /** File of the roots of this system, if anybody is to be verified with them. */
  readonly systemRoots: string | undefined;
}

/** A bootstrap in Envoy's JSON. */
export interface BootstrapJson {
  readonly node: BootstrapNode;
  readonly [field: string]: unknown;
}

const V3 = 'V3';

/** Soon enough for a machine that was away; Envoy's own longest delay is 30 s. */
const RETURN = { base_interval: '0.5s', max_interval: '5s' };

/** The bootstrap of a proxy in Envoy's JSON, in the structure of the one that pilot-agent writes. */
export function buildBootstrap(options: BootstrapOptions): BootstrapJson {
  const { environment, proxyConfig, podAnnotations, forEnvoy } = options;
  const discovery = discoveryOf(
    proxyConfig.discoveryAddress,
    'discoveryAddress',
    proxyConfig.controlPlaneAuthPolicy,
    environment.istiodSan,
  );
  const node = buildNode({ ...options, pilotSan: discovery.serverName === undefined ? [] : [discovery.serverName] });
  const { localhost, wildcard, otherWildcard, lookupFamily } = proxyAddresses(environment);
  const collectors = services({
    proxyConfig,
    hostIp: environment.hostIp,
    lookupFamily,
    serviceName: node.cluster,
    systemRoots: options.systemRoots,
  });
  const fromAds = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: V3 };
  return {
    node,
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: runtimeFlags(proxyConfig.runtimeValues) },
        { name: 'admin', admin_layer: {} },
      ],
    },
    ...(forEnvoy && { bootstrap_extensions: [INTERNAL_LISTENER] }),
    overload_manager: overloadManager(proxyConfig, node.metadata),
    ...statsIntervals(podAnnotations, forEnvoy),
    stats_config: statsConfig({
      proxyConfig,
      annotations: podAnnotations,
      instanceIps: environment.instanceIps,
      exitOnZeroActiveConnections: environment.exitOnZeroActiveConnections,
    }),
    admin: {
      access_log: [
        {
          name: 'envoy.access_loggers.file',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
            path: '/dev/null',
          },
        },
      ],
      ...(forEnvoy && { profile_path: '/var/lib/istio/data/envoy.prof' }),
      address: adminAddress(localhost, proxyConfig.proxyAdminPort),
    },
    dynamic_resources: {
      lds_config: fromAds,
      cds_config: fromAds,
      ads_config: {
        api_type: environment.delta ? 'DELTA_GRPC' : 'GRPC',
        set_node_on_first_message_only: true,
        transport_api_version: V3,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc', retry_policy: { retry_back_off: RETURN } } }],
      },
    },
    static_resources: {
      clusters: [...clusters({ ...options, discovery, localhost, lookupFamily }), ...collectors.clusters],
      listeners: staticListeners({
        address: wildcard,
        otherAddress: otherWildcard,
        prometheusPort: environment.prometheusListenerPort,
        statusPort: environment.statusListenerPort,
        compression: proxyConfig.statsCompression ?? true,
      }),
    },
    ...collectors.fields,
    ...(options.outlierLogPath && {
      cluster_manager: { outlier_detection: { event_log_path: options.outlierLogPath } },
    }),
  };
}

const INTERNAL_LISTENER = {
  name: 'envoy.bootstrap.internal_listener',
  typed_config: {
    '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
    type_url: 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
    value: { buffer_size_kb: 64 },
  },
};

/** Istio's flags; a value of the user's replaces one, and an empty value removes it. */
function runtimeFlags(values: Readonly<Record<string, string>> = {}): object {
  const flags: Record<string, string | boolean> = {
    're2.max_program_size.error_level': '32768',
    'envoy.deprecated_features:envoy.config.listener.v3.Listener.hidden_envoy_deprecated_use_original_dst': true,
    'envoy.reloadable_features.http_reject_path_with_fragment': false,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value === '') delete flags[name];
    else flags[name] = value === 'true' ? true : value === 'false' ? false : value;
  }
  return flags;
}
