import { isIP } from 'node:net';
import { SIGN_OF_LIFE } from '../../base/keepalive.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import type { Discovery } from './discovery.ts';

interface ClusterOptions {
  readonly proxyConfig: ProxyConfig;
  readonly statusPort: number;
  readonly sdsSocket: string;
  readonly discoveryRoots: string | undefined;
  readonly discovery: Discovery;
  readonly localhost: string;
  readonly lookupFamily: string;
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP2 = {
  [HTTP_OPTIONS]: {
    '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
    explicit_http_config: { http2_protocol_options: {} },
  },
};
const UNBOUNDED = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };

/** The clusters that stand before any comes by discovery. */
export function clusters(options: ClusterOptions): object[] {
  const { proxyConfig, statusPort, sdsSocket, localhost } = options;
  return [
    {
      ...base('prometheus_stats', '0.250s'),
      load_assignment: oneEndpoint('prometheus_stats', socketAddress(localhost, proxyConfig.proxyAdminPort)),
    },
    {
      ...base('agent', '0.250s'),
      load_assignment: oneEndpoint('agent', socketAddress(localhost, statusPort)),
    },
    {
      ...base('sds-grpc', '1s'),
      typed_extension_protocol_options: HTTP2,
      load_assignment: oneEndpoint('sds-grpc', { pipe: { path: sdsSocket } }),
    },
    discoveryCluster(options),
  ];
}

function base(name: string, connectTimeout: string): object {
  return { name, type: 'STATIC', connect_timeout: connectTimeout, lb_policy: 'ROUND_ROBIN' };
}

/** Istio's Envoy has its agent beside it, and asks every 300 s; ours talks to the control plane itself. */
const KEEPALIVE = {
  keepalive_time: SIGN_OF_LIFE.idle,
  keepalive_interval: SIGN_OF_LIFE.interval,
  keepalive_probes: SIGN_OF_LIFE.probes,
};

function discoveryCluster(options: ClusterOptions): object {
  const { discovery, lookupFamily } = options;
  const { host, port, serverName } = discovery;
  const byName = isIP(host) === 0;
  return {
    ...base('xds-grpc', '1s'),
    ...(byName && { type: 'STRICT_DNS', respect_dns_ttl: true, dns_lookup_family: lookupFamily }),
    typed_extension_protocol_options: HTTP2,
    ...(serverName !== undefined && { transport_socket: discoveryTls(serverName, options.discoveryRoots) }),
    load_assignment: oneEndpoint('xds-grpc', socketAddress(host, port)),
    circuit_breakers: {
      thresholds: [
        { priority: 'DEFAULT', ...UNBOUNDED },
        { priority: 'HIGH', ...UNBOUNDED },
      ],
    },
    upstream_connection_options: { tcp_keepalive: KEEPALIVE },
    max_requests_per_connection: 1,
  };
}

/** TLS with the workload's own certificate, to a server that proves to be discovery. */
function discoveryTls(serverName: string, roots: string | undefined): object {
  const isAddress = isIP(serverName) !== 0;
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      ...(!isAddress && { sni: serverName }),
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        tls_certificate_sds_secret_configs: [secret('default')],
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: [
              { san_type: isAddress ? 'IP_ADDRESS' : 'DNS', matcher: { exact: serverName } },
            ],
          },
          validation_context_sds_secret_config: secret(roots === undefined ? 'ROOTCA' : `file-root:${roots}`),
        },
      },
    },
  };
}

function secret(name: string): object {
  return {
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      initial_fetch_timeout: '0s',
      resource_api_version: 'V3',
    },
  };
}

function oneEndpoint(name: string, address: object): object {
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}

function socketAddress(address: string, port: number): object {
  return { socket_address: { protocol: 'TCP', address, port_value: port } };
}

export function adminAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
