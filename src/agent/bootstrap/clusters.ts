import { isIP } from 'node:net';
import { SIGN_OF_LIFE } from '../../base/keepalive.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import type { Discovery } from './discovery.ts';
import { tlsSocket } from './tls.ts';

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
export const HTTP2 = {
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
  return tlsSocket({
    ...(isIP(serverName) === 0 && { sni: serverName }),
    alpn: ['h2'],
    certificate: 'default',
    roots: roots === undefined ? 'ROOTCA' : `file-root:${roots}`,
    names: [serverName],
  });
}

export function oneEndpoint(name: string, address: object): object {
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}

export function socketAddress(address: string, port: number): object {
  return { socket_address: { protocol: 'TCP', address, port_value: port } };
}

export function adminAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
