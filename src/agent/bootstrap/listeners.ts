interface ListenerOptions {
  /** Wildcard, or the address of this agent. */
  readonly address: string;
  readonly prometheusPort: number;
  readonly statusPort: number;
  /** The annotation `sidecar.istio.io/statsCompression`: `gzip`, or nothing. */
  readonly compression: string | undefined;
}

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};
const GZIP = {
  name: 'envoy.filters.http.compressor',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor',
    compressor_library: {
      name: 'text_optimized',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip' },
    },
    remove_accept_encoding_header: true,
  },
};

/** The listeners for those outside: metrics, which the admin interface has, and readiness, which the agent has. */
export function staticListeners({ address, prometheusPort, statusPort, compression }: ListenerOptions): object[] {
  return [
    listener(address, prometheusPort, 'stats', '/stats/prometheus', 'prometheus_stats', [
      ...(compression === 'gzip' ? [GZIP] : []),
      ROUTER,
    ]),
    listener(address, statusPort, 'agent', '/healthz/ready', 'agent', [ROUTER]),
  ];
}

function listener(
  address: string,
  port: number,
  statPrefix: string,
  prefix: string,
  cluster: string,
  filters: readonly object[],
): object {
  return {
    address: { socket_address: { protocol: 'TCP', address, port_value: port } },
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
