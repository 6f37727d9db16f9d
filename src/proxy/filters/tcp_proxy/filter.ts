import { xxhash64 } from '../../../base/xxhash64.ts';
import type { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import type {
  Cancelable,
  Cluster,
  LoadBalancerContext,
  UpstreamConnectionHandler,
  UpstreamOptions,
} from '../../cluster/cluster.ts';
import type { Host, Metadata } from '../../cluster/host.ts';
import { CloseReason, type Connection, type ConnectionHandler } from '../../net/connection.ts';
import { keepBytes } from '../../net/loans.ts';
import type { NetworkFilterCallbacks } from '../../net/network-filter.ts';
import type { ForeignSource } from '../../net/socket-options.ts';
import type { AccessLog } from '../../observe/access-log/access-log.ts';
import {
  ORIGINAL_SOURCE,
  TCP_PROXY_CLUSTER,
  UPSTREAM_ALPN,
  UPSTREAM_SANS,
  UPSTREAM_SNI,
} from '../../observe/filter-state.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StatGroup } from '../../observe/stats.ts';
import type { StreamInfo, UpstreamConnectionInfo } from '../../observe/stream-info.ts';
import type { Timer } from '../../timers.ts';
import { CONNECTION_TIMEOUT } from '../router/failures.ts';
import { HttpTunnel, type TunnelConfig, tunnelRequest } from './tunnel.ts';
import type { TcpUpstream, TcpUpstreamOwner } from './upstream.ts';

const GAUGES: ReadonlySet<string> = new Set([
  'downstream_cx_rx_bytes_buffered',
  'downstream_cx_tx_bytes_buffered',
  'upstream_flush_active',
]);

/** Statistics of a TCP proxy (Envoy's `tcp.STAT_PREFIX.`). */
export class TcpProxyStats extends StatGroup {
  readonly gauges = GAUGES;
  downstream_cx_drain_close = 0;
  downstream_cx_no_route = 0;
  downstream_cx_overload_close = 0;
  downstream_cx_rx_bytes_buffered = 0;
  downstream_cx_rx_bytes_total = 0;
  downstream_cx_total = 0;
  downstream_cx_tx_bytes_buffered = 0;
  downstream_cx_tx_bytes_total = 0;
  downstream_flow_control_paused_reading_total = 0;
  downstream_flow_control_resumed_reading_total = 0;
  early_data_received_count_total = 0;
  idle_timeout = 0;
  max_downstream_connection_duration = 0;
  route_delayed_total = 0;
  upstream_flush_active = 0;
  upstream_flush_total = 0;
}

export interface TcpProxyConfig {
  readonly stats: TcpProxyStats;
  readonly clusters: readonly {
    readonly name: string;
    readonly weight: number;
    readonly metadataMatch: Metadata | undefined;
  }[];
  /** Milliseconds, 0 for none. */
  readonly idleTimeoutMs: number;
  readonly maxConnectAttempts: number;
  readonly maxDurationMs: number;
  readonly hashSourceIp: boolean;
  readonly hashFilterState: string | undefined;
  readonly accessLogs: readonly AccessLog[];
  /** Undefined for connections of their own. */
  readonly tunnel: TunnelConfig | undefined;
}

/** What a client may send before there is an upstream connection. */
const MAX_EARLY = 1024 * 1024;

/** The last filter of a TCP chain: connects the client with a host, and passes bytes, half-closes and resets both ways. */
export class TcpProxyFilter implements ConnectionHandler, LoadBalancerContext, TcpUpstreamOwner {
  readonly headers: Headers | undefined = undefined;
  readonly overrideAddress = undefined;
  metadataMatch: Metadata | undefined = undefined;
  readonly #config: TcpProxyConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  readonly #client: Connection;
  #cluster: Cluster | undefined = undefined;
  #connecting: Cancelable | undefined = undefined;
  #upstream: TcpUpstream | undefined = undefined;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #clientEnded = false;
  #attempts = 0;
  /** A flag once a host could not be reached, 0 as long as it is only this machine that has no connection to give. */
  #unreachable = 0;
  #lastActivity = 0;
  #idleTimer: Timer | undefined = undefined;
  #durationTimer: Timer | undefined = undefined;
  #over = false;

  constructor(config: TcpProxyConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.#client = callbacks.connection;
    config.stats.downstream_cx_total++;
    if (config.maxDurationMs > 0) {
      this.#durationTimer = callbacks.worker.timers.start(config.maxDurationMs, () => {
        config.stats.max_downstream_connection_duration++;
        callbacks.info.flags |= ResponseFlag.DurationTimeout;
        this.#client.close();
      });
    }
    this.#begin();
  }

  #begin(): void {
    const { info, clusters } = this.#callbacks;
    const chosen = this.#choose();
    info.upstreamCluster = chosen.name;
    this.metadataMatch = chosen.metadataMatch;
    const cluster = clusters.get(chosen.name);
    if (cluster === undefined) {
      this.#config.stats.downstream_cx_no_route++;
      info.upstreamCluster = '';
      this.#giveUp(ResponseFlag.NoClusterFound);
      return;
    }
    this.#cluster = cluster;
    info.upstreamClusterStatName = cluster.statName;
    info.clusterMetadata = cluster.metadata;
    this.#connect();
  }

  #choose(): { readonly name: string; readonly metadataMatch: Metadata | undefined } {
    const override = this.#callbacks.info.getFilterState(TCP_PROXY_CLUSTER);
    if (typeof override === 'string') return { name: override, metadataMatch: undefined };
    const { clusters } = this.#config;
    if (clusters.length === 1) return clusters[0];
    const total = clusters.reduce((sum, c) => sum + c.weight, 0);
    let point = this.#callbacks.worker.random() * total;
    return clusters.find((c) => (point -= c.weight) < 0) ?? clusters[0];
  }

  get hash(): bigint | undefined {
    const { hashSourceIp, hashFilterState } = this.#config;
    if (hashSourceIp) return xxhash64(this.#client.remote.address);
    const value = hashFilterState === undefined ? undefined : this.#callbacks.info.getFilterState(hashFilterState);
    return value === undefined ? undefined : xxhash64(String(value));
  }

  get downstream(): Connection {
    return this.#client;
  }

  get info(): StreamInfo {
    return this.#callbacks.info;
  }

  rejects(): boolean {
    return false;
  }

  #connect(): void {
    const cluster = this.#cluster!;
    if (this.#attempts >= this.#config.maxConnectAttempts) {
      cluster.stats.upstream_cx_connect_attempts_exceeded++;
      this.#giveUp(this.#unreachable | ResponseFlag.UpstreamRetryLimitExceeded);
      return;
    }
    this.#attempts++;
    this.#callbacks.info.attemptCount = this.#attempts;
    const host = cluster.pick(this);
    if (host === undefined) {
      cluster.stats.upstream_cx_none_healthy++;
      this.#giveUp(ResponseFlag.NoHealthyUpstream);
      return;
    }
    this.#callbacks.info.upstreamHost = host;
    const attempt = this.#open(cluster, host);
    if (this.#upstream === undefined && !this.#over) this.#connecting = attempt;
  }

  #open(cluster: Cluster, host: Host): Cancelable | undefined {
    const { tunnel } = this.#config;
    if (tunnel === undefined) return cluster.openTcp(host, this.#options(), new Upstream(this, host));
    const { info, worker } = this.#callbacks;
    const request = tunnelRequest(tunnel, info, cluster.secure);
    return cluster.openHttp(host, this.#options(), new HttpTunnel(this, request, tunnel, info, worker.timers));
  }

  #options(): UpstreamOptions {
    const { info } = this.#callbacks;
    return {
      priority: 'default',
      downstreamProtocol: 'HTTP/1.1',
      alpn: info.getFilterState(UPSTREAM_ALPN) as readonly string[] | undefined,
      sni: info.getFilterState(UPSTREAM_SNI) as string | undefined,
      subjectAltNames: info.getFilterState(UPSTREAM_SANS) as readonly string[] | undefined,
      downstream: this.#client,
      source: info.getFilterState(ORIGINAL_SOURCE) as ForeignSource | undefined,
    };
  }

  connected(upstream: TcpUpstream, connection: UpstreamConnectionInfo): void {
    const { info, worker } = this.#callbacks;
    this.#connecting = undefined;
    this.#upstream = upstream;
    info.upstreamConnection = connection;
    for (const chunk of this.#early) upstream.write(chunk);
    this.#early = [];
    upstream.start();
    this.#client.pauseReading(false);
    if (this.#clientEnded) upstream.end();
    if (this.#config.idleTimeoutMs > 0) {
      this.#lastActivity = worker.timers.now();
      this.#armIdle(this.#config.idleTimeoutMs);
    }
  }

  connectFailed(reason: string, details: string): void {
    const { info } = this.#callbacks;
    this.#connecting = undefined;
    if (reason === ResetReason.Overflow) {
      this.#giveUp(ResponseFlag.UpstreamOverflow);
      return;
    }
    if (reason !== ResetReason.LocalConnectionFailure) this.#unreachable = ResponseFlag.UpstreamConnectionFailure;
    if (details !== '' && details !== CONNECTION_TIMEOUT) info.upstreamTransportFailure = details;
    this.#connect();
  }

  #giveUp(flag: number): void {
    this.#callbacks.info.flags |= flag;
    this.#client.close();
  }

  #armIdle(ms: number): void {
    const { timers } = this.#callbacks.worker;
    this.#idleTimer = timers.start(ms, () => {
      const left = this.#lastActivity + this.#config.idleTimeoutMs - timers.now();
      if (left > 0) {
        this.#armIdle(left);
        return;
      }
      this.#config.stats.idle_timeout++;
      this.#client.close();
    });
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const { stats } = this.#config;
    const { info, worker } = this.#callbacks;
    stats.downstream_cx_rx_bytes_total += end - start;
    this.#lastActivity = worker.timers.now();
    const chunk = keepBytes(bytes, start, end);
    if (this.#upstream !== undefined) {
      info.upstreamBytesSent += chunk.length;
      this.#upstream.write(chunk);
      return;
    }
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MAX_EARLY) this.#client.pauseReading(true);
  }

  onEnd(): void {
    this.#clientEnded = true;
    this.#upstream?.end();
  }

  onBackpressure(high: boolean): void {
    this.#upstream?.pauseReading(high);
  }

  onClose(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    const { info, worker } = this.#callbacks;
    this.#idleTimer?.cancel();
    this.#durationTimer?.cancel();
    this.#connecting?.cancel();
    const upstream = this.#upstream;
    if (upstream !== undefined && !upstream.closed) {
      if (reason === CloseReason.Reset) upstream.reset();
      else upstream.closeAfterFlush(1000);
    }
    if (this.#upstream === undefined && reason !== CloseReason.Local && info.flags === 0) {
      info.flags |= ResponseFlag.DownstreamConnectionTermination;
    }
    // What waited for an upstream that never was counts as unread.
    if (this.#upstream === undefined) info.bytesReceived = 0;
    info.end = worker.timers.now();
    info.logType = 'TcpConnectionEnd';
    for (const log of this.#config.accessLogs) log.log(info);
  }

  upstreamData(bytes: Uint8Array, start: number, end: number): void {
    const { info, worker } = this.#callbacks;
    this.#config.stats.downstream_cx_tx_bytes_total += end - start;
    info.upstreamBytesReceived += end - start;
    this.#lastActivity = worker.timers.now();
    this.#client.write(keepBytes(bytes, start, end));
    info.bytesSent += end - start;
  }

  upstreamEnded(): void {
    this.#client.end();
  }

  upstreamBackpressure(high: boolean): void {
    const { stats } = this.#config;
    if (high) stats.downstream_flow_control_paused_reading_total++;
    else stats.downstream_flow_control_resumed_reading_total++;
    this.#client.pauseReading(high);
  }

  upstreamClosed(reason: string): void {
    if (this.#over) return;
    if (reason === CloseReason.Reset) {
      this.#callbacks.info.flags |= ResponseFlag.UpstreamRemoteReset;
      this.#client.reset();
    } else this.#client.closeAfterFlush(1000);
  }
}

/** The upstream's side of the same. */
class Upstream implements UpstreamConnectionHandler {
  readonly #proxy: TcpProxyFilter;
  readonly host: Host;

  constructor(proxy: TcpProxyFilter, host: Host) {
    this.#proxy = proxy;
    this.host = host;
  }

  onReady(connection: Connection): void {
    const { id, local, remote, tls, filterState } = connection;
    this.#proxy.connected(connection, { id, local, remote, tls, protocol: '', filterState });
  }

  onFailure(reason: ResetReason, details: string): void {
    this.#proxy.connectFailed(reason, details);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#proxy.upstreamData(bytes, start, end);
  }

  onEnd(): void {
    this.#proxy.upstreamEnded();
  }

  onBackpressure(high: boolean): void {
    this.#proxy.upstreamBackpressure(high);
  }

  onClose(reason: CloseReason): void {
    this.#proxy.upstreamClosed(reason);
  }
}
