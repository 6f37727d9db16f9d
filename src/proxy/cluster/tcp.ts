import { ResetReason } from '../../wire/http.ts';
import type { CloseReason, Connection, ConnectionHandler } from '../net/connection.ts';
import type { Cancelable, UpstreamConnectionHandler, UpstreamOptions } from './cluster.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { ConnectHandler } from './connect-handler.ts';
import type { Host } from './host.ts';
import type { ResourceManager } from './resources.ts';

/** What is needed of the cluster. */
interface Connecting {
  readonly stats: ClusterStats;
  /** Milliseconds of the worker's clock. */
  now(): number;
  connect(host: Host, options: UpstreamOptions, protocol: 'tcp', handler: ConnectHandler): Cancelable;
}

/** Connects to a host for one downstream connection and keeps the cluster's account of it. */
export function openTcp(
  cluster: Connecting,
  host: Host,
  options: UpstreamOptions,
  resources: ResourceManager,
  handler: UpstreamConnectionHandler,
): Cancelable {
  const { stats } = cluster;
  resources.connections.inUse++;
  stats.upstream_cx_total++;
  stats.upstream_cx_active++;
  host.stats.cx_total++;
  host.stats.cx_active++;
  const since = cluster.now();
  let connectedAt = -1;
  let gone = false;
  let carried: Connection | undefined;
  const release = () => {
    if (gone) return;
    gone = true;
    resources.connections.inUse--;
    stats.upstream_cx_active--;
    stats.upstream_cx_destroy++;
    if (connectedAt >= 0) stats.upstream_cx_length_ms.record(cluster.now() - connectedAt);
    host.stats.cx_active--;
    if (carried) host.tcpConnections.delete(carried);
  };
  const attempt = cluster.connect(host, options, 'tcp', {
    onConnected(connection) {
      host.outcomes?.connectionOutcome('success');
      host.tcpConnections.add((carried = connection));
      connectedAt = cluster.now();
      stats.upstream_cx_connect_ms.record(connectedAt - since);
      connection.setHandler(new Accounted(connection, handler, stats, release));
      handler.onReady(connection);
    },
    onFailed(details, timeout) {
      release();
      stats.upstream_cx_connect_fail++;
      host.stats.cx_connect_fail++;
      if (timeout) stats.upstream_cx_connect_timeout++;
      host.outcomes?.connectionOutcome(timeout ? 'timeout' : 'connect-failed');
      handler.onFailure(ResetReason.ConnectionFailure, timeout ? 'connection timeout' : details);
    },
  });
  return {
    cancel() {
      attempt.cancel();
      release();
    },
  };
}

/** Passes events on and counts bytes and the end. */
class Accounted implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #handler: ConnectionHandler;
  readonly #stats: ClusterStats;
  readonly #release: () => void;

  constructor(connection: Connection, handler: ConnectionHandler, stats: ClusterStats, release: () => void) {
    this.#connection = connection;
    this.#handler = handler;
    this.#stats = stats;
    this.#release = release;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#handler.onData(bytes, start, end);
  }

  onEnd(): void {
    this.#handler.onEnd();
  }

  onBackpressure(high: boolean): void {
    this.#handler.onBackpressure(high);
  }

  onClose(reason: CloseReason, details: string): void {
    this.#stats.upstream_cx_rx_bytes_total += this.#connection.bytesReceived;
    this.#stats.upstream_cx_tx_bytes_total += this.#connection.bytesSent;
    if (reason === 'local') this.#stats.upstream_cx_destroy_local++;
    else this.#stats.upstream_cx_destroy_remote++;
    this.#release();
    this.#handler.onClose(reason, details);
  }
}
