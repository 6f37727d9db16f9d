import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import type { UpstreamOptions } from './cluster.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { ClusterConfig } from './config.ts';
import type { ConnectOptions } from './connector.ts';
import type { HealthCheckConfig } from './health/config.ts';
import type { Host } from './host.ts';
import type { PoolProtocol } from './pool-key.ts';
import { type MatchedSocket, matchLabels, type UpstreamSocket } from './upstream-socket.ts';

/** What a cluster says of the connections to its hosts. */
export interface ConnectingCluster {
  readonly config: Pick<ClusterConfig, 'connectTimeoutMs' | 'bufferLimit' | 'tcpKeepalive' | 'binding'>;
  /** A host's is at its `transportIndex`. */
  readonly sockets: readonly MatchedSocket[];
  readonly stats: Pick<ClusterStats, 'bind_errors'>;
  readonly filters: readonly UpstreamFilterFactory[];
}

/** A connection for requests: the way the host's transport socket and the request say. */
export function requestConnection(
  cluster: ConnectingCluster,
  host: Host,
  options: UpstreamOptions,
  protocol: PoolProtocol | 'tcp',
): ConnectOptions {
  const { downstream } = options;
  const { address, otherAddresses, hostname } = host.description;
  return {
    ...common(cluster, cluster.sockets[host.transportIndex]),
    addresses: otherAddresses.length === 0 ? [address] : [address, ...otherAddresses],
    source: options.source,
    downstream: downstream && {
      local: downstream.local,
      remote: downstream.remote,
      filterState: downstream.filterState,
    },
    tls: {
      sni: options.sni,
      hostname,
      alpn: options.alpn ?? (protocol === 'auto' ? AUTO_ALPN : undefined),
      defaultAlpn: protocol === 'http2' ? HTTP2_ALPN : protocol === 'http1' ? HTTP1_ALPN : undefined,
      subjectAltNames: options.subjectAltNames,
    },
  };
}

/** A connection of a health check: to where checks go, and in the way that is configured for them. */
export function checkConnection(cluster: ConnectingCluster, host: Host, check: HealthCheckConfig): ConnectOptions {
  const { sockets } = cluster;
  const { address, healthCheckAddress, hostname } = host.description;
  const index = check.transportMatch ? matchLabels(sockets, check.transportMatch) : host.transportIndex;
  const other = check.altPort > 0 && address.family !== 0 ? { ...address, port: check.altPort } : address;
  const plainHttp = check.check.kind === 'HTTP' ? HTTP1_ALPN : undefined;
  return {
    ...common(cluster, sockets[index]),
    addresses: [healthCheckAddress ?? other],
    source: undefined,
    downstream: undefined,
    tls: { hostname, alpn: check.alpn, defaultAlpn: checksByHttp2(check) ? HTTP2_ALPN : plainHttp },
  };
}

/** Whether a check speaks HTTP/2. */
export function checksByHttp2({ check }: HealthCheckConfig): boolean {
  return check.kind === 'GRPC' || (check.kind === 'HTTP' && check.http2);
}

function common({ config, stats, filters }: ConnectingCluster, { transport, preamble }: UpstreamSocket) {
  return {
    timeoutMs: config.connectTimeoutMs,
    bufferLimit: config.bufferLimit,
    transport,
    preamble,
    keepalive: config.tcpKeepalive,
    binding: config.binding,
    counters: stats,
    filters,
  };
}

const AUTO_ALPN: readonly string[] = ['h2', 'http/1.1'];
const HTTP2_ALPN: readonly string[] = ['h2'];
const HTTP1_ALPN: readonly string[] = ['http/1.1'];
