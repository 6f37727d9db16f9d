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

/**
 * Connects to a host for one downstream connection and keeps the cluster's account of it. As in Envoy, a connection
 * counts as a request that waits while it is made.
 */
export function openTcp(
  cluster: Connecting,
  host: Host,
  options: UpstreamOptions,
  resources: ResourceManager,
  handler: UpstreamConnectionHandler,
): Cancelable | undefined {
  const { stats } = cluster;
  if (!resources.pendingRequests.canCreate) {
    stats.upstream_rq_pending_overflow++;
    handler.onFailure(ResetReason.Overflow, '');
    return undefined;
  }
  const account = new Account(cluster, host, resources);
  const attempt = cluster.connect(host, options, 'tcp', {
    onConnected(connection) {
      if (!account.connected(connection)) {
        connection.close();
        handler.onFailure(ResetReason.Overflow, '');
        return;
      }
      connection.setHandler(new Accounted(connection, handler, stats, account));
      handler.onReady(connection);
    },
    onFailed(details, timeout, local = false) {
      account.failed(timeout, local);
      const reason = local ? ResetReason.LocalConnectionFailure : ResetReason.ConnectionFailure;
      handler.onFailure(reason, timeout ? 'connection timeout' : details);
    },
  });
  return {
    cancel() {
      attempt.cancel();
      account.canceled();
    },
  };
}

/** What one connection takes of its cluster, from the attempt to its end. */
class Account {
  readonly #cluster: Connecting;
  readonly #host: Host;
  readonly #resources: ResourceManager;
  readonly #since: number;
  #state: 'pending' | 'active' | 'over' = 'pending';
  #connectedAt = 0;
  #connection: Connection | undefined = undefined;

  constructor(cluster: Connecting, host: Host, resources: ResourceManager) {
    this.#cluster = cluster;
    this.#host = host;
    this.#resources = resources;
    this.#since = cluster.now();
    const { stats } = cluster;
    resources.connections.inUse++;
    resources.pendingRequests.inUse++;
    stats.upstream_cx_total++;
    stats.upstream_cx_active++;
    stats.upstream_rq_pending_total++;
    stats.upstream_rq_pending_active++;
    host.stats.cx_total++;
    host.stats.cx_active++;
    host.stats.rq_pending_active++;
  }

  #leavePending(): void {
    this.#resources.pendingRequests.inUse--;
    this.#cluster.stats.upstream_rq_pending_active--;
    this.#host.stats.rq_pending_active--;
  }

  /** False if there are as many requests as there may be. */
  connected(connection: Connection): boolean {
    const { stats } = this.#cluster;
    const { requests } = this.#resources;
    this.#leavePending();
    this.#connectedAt = this.#cluster.now();
    stats.upstream_cx_connect_ms.record(this.#connectedAt - this.#since);
    this.#host.outcomes?.connectionOutcome('success');
    if (!requests.canCreate) {
      stats.upstream_rq_active_overflow++;
      this.#gone();
      return false;
    }
    this.#state = 'active';
    this.#connection = connection;
    requests.inUse++;
    stats.upstream_rq_total++;
    stats.upstream_rq_active++;
    this.#host.stats.rq_total++;
    this.#host.stats.rq_active++;
    this.#host.tcpConnections.add(connection);
    return true;
  }

  failed(timeout: boolean, local: boolean): void {
    const { stats } = this.#cluster;
    this.#leavePending();
    this.#gone();
    stats.upstream_rq_pending_failure_eject++;
    stats.upstream_cx_connect_fail++;
    this.#host.stats.cx_connect_fail++;
    if (timeout) stats.upstream_cx_connect_timeout++;
    if (timeout || local) stats.upstream_cx_destroy_local++;
    else stats.upstream_cx_destroy_remote++;
    if (!local) this.#host.outcomes?.connectionOutcome(timeout ? 'timeout' : 'connect-failed');
  }

  canceled(): void {
    if (this.#state !== 'pending') return;
    this.#leavePending();
    this.#cluster.stats.upstream_rq_cancelled++;
    this.#gone();
  }

  closed(): void {
    const { stats } = this.#cluster;
    this.#resources.requests.inUse--;
    stats.upstream_rq_active--;
    this.#host.stats.rq_active--;
    stats.upstream_cx_length_ms.record(this.#cluster.now() - this.#connectedAt);
    if (this.#connection) this.#host.tcpConnections.delete(this.#connection);
    this.#gone();
  }

  #gone(): void {
    this.#state = 'over';
    const { stats } = this.#cluster;
    this.#resources.connections.inUse--;
    stats.upstream_cx_active--;
    stats.upstream_cx_destroy++;
    this.#host.stats.cx_active--;
  }
}

/** Passes events on and counts bytes and the end. */
class Accounted implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #handler: ConnectionHandler;
  readonly #stats: ClusterStats;
  readonly #account: Account;

  constructor(connection: Connection, handler: ConnectionHandler, stats: ClusterStats, account: Account) {
    this.#connection = connection;
    this.#handler = handler;
    this.#stats = stats;
    this.#account = account;
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
    this.#account.closed();
    this.#handler.onClose(reason, details);
  }
}
