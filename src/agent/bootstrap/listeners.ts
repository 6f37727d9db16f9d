import { socketAddress } from './clusters.ts';

interface ListenerOptions {
  /** Wildcard, or the address of this agent. */
  readonly address: string;
  /** The wildcard of the other family, for a pod that has both. */
  readonly otherAddress: string | undefined;
  readonly prometheusPort: number;
  readonly statusPort: number;
  /** Whether metrics are compressed for those who ask for it. */
  readonly compression: boolean;
}

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};
/** What metrics may be compressed with, as whoever asks for them likes best. */
const COMPRESSORS = [
  ['brotli', 'envoy.extensions.compression.brotli.compressor.v3.Brotli'],
  ['gzip', 'envoy.extensions.compression.gzip.compressor.v3.Gzip'],
  ['zstd', 'envoy.extensions.compression.zstd.compressor.v3.Zstd'],
].map(([name, type], i, all) => ({
  name: `envoy.filters.http.compressor.${name}`,
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor',
    compressor_library: { name: 'text_optimized', typed_config: { '@type': `type.googleapis.com/${type}` } },
    // The last of them: the others still have to see what is asked for.
    ...(i === all.length - 1 && { response_direction_config: { remove_accept_encoding_header: true } }),
  },
}));

/** The listeners for those outside: metrics, which the admin interface has, and readiness, which the agent has. */
export function staticListeners(options: ListenerOptions): object[] {
  const { prometheusPort, statusPort, compression } = options;
  return [
    listener(options, prometheusPort, 'stats', '/stats/prometheus', 'prometheus_stats', [
      ...(compression ? COMPRESSORS : []),
      ROUTER,
    ]),
    listener(options, statusPort, 'agent', '/healthz/ready', 'agent', [ROUTER]),
  ];
}

function listener(
  { address, otherAddress }: ListenerOptions,
  port: number,
  statPrefix: string,
  prefix: string,
  cluster: string,
  filters: readonly object[],
): object {
  return {
    address: socketAddress(address, port),
    ...(otherAddress !== undefined && { additional_addresses: [{ address: socketAddress(otherAddress, port) }] }),
    // Those who ask how a proxy is must reach one that has all the clients that it may have.
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `type.googleapis.com/${HCM}`,
              codec_type: 'AUTO',
              stat_prefix: statPrefix,
              route_config: {
                virtual_hosts: [
                  { name: 'backend', domains: ['*'], routes: [{ match: { prefix }, route: { cluster } }] },
                ],
              },
              http_filters: filters,
            },
          },
        ],
      },
    ],
  };
}
