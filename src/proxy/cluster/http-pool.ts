import { ResetReason } from '../../wire/http.ts';
import type { Connection } from '../net/connection.ts';
import type { NetContext } from '../net/socket-connection.ts';
import type { Cancelable, UpstreamStreamHandler } from './cluster.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import type { ConnectHandler } from './connect-handler.ts';
import type { Host, HostPool } from './host.ts';
import { HttpConnection, type HttpConnectionOptions } from './http-connection.ts';
import type { PoolProtocol } from './pool-key.ts';
import type { ResourceManager } from './resources.ts';

/** What a pool needs to know; the same for all pools of a cluster but for the way to connect. */
export interface HttpPoolContext {
  readonly net: NetContext;
  readonly host: Host;
  readonly stats: ClusterStats;
  readonly resources: ResourceManager;
  readonly options: HttpConnectionOptions & { readonly preconnectRatio: number };
  /** Uniform in [0, 1). */
  readonly random: () => number;
  codecStats(http2: boolean): Http2CodecStats | undefined;
  readonly protocol: PoolProtocol;
  /** Generation of the TLS secrets that connections are made with. */
  readonly generation: number;
  connect(handler: ConnectHandler): Cancelable;
  /** The pool has no connections and no requests any more, and is not to be used again. */
  onGone(): void;
}

class PendingRequest implements Cancelable {
  readonly handler: UpstreamStreamHandler;
  readonly #pool: HttpPool;

  constructor(pool: HttpPool, handler: UpstreamStreamHandler) {
    this.#pool = pool;
    this.handler = handler;
  }

  cancel(): void {
    this.#pool.cancelPending(this);
  }
}

/** Connections that are made at a time before they are needed. */
const MAX_AHEAD = 3;

/** A connection attempt, and how many requests it is expected to carry. */
interface Connecting {
  readonly capacity: number;
  attempt: Cancelable | undefined;
}

/**
 * The connections to one host that requests of one kind share: one request at a time on HTTP/1, many on HTTP/2.
 * Requests wait in order while connections are made.
 */
export class HttpPool implements HostPool {
  readonly #context: HttpPoolContext;
  /** Connections that can take a request now; the last one was used last. */
  readonly #ready: HttpConnection[] = [];
  readonly #connections = new Set<HttpConnection>();
  readonly #connecting = new Set<Connecting>();
  #pending: PendingRequest[] = [];
  #draining = false;
  #gone = false;

  constructor(context: HttpPoolContext) {
    this.#context = context;
  }

  get generation(): number {
    return this.#context.generation;
  }

  get idle(): boolean {
    if (this.#pending.length > 0 || this.#connecting.size > 0) return false;
    for (const connection of this.#connections) if (connection.streams > 0) return false;
    return true;
  }

  /** Sends a request on a ready connection, or as soon as there is one. */
  open(handler: UpstreamStreamHandler): Cancelable | undefined {
    const { stats, resources } = this.#context;
    for (let connection = this.#ready.at(-1); connection !== undefined; connection = this.#ready.at(-1)) {
      if (!connection.canOpen) {
        this.#ready.pop();
        connection.listed = false;
        continue;
      }
      if (!resources.requests.canCreate) {
        stats.upstream_rq_active_overflow++;
        handler.onFailure(ResetReason.Overflow, '');
        return undefined;
      }
      if (connection.exclusive) {
        this.#ready.pop();
        connection.listed = false;
      }
      connection.open(handler);
      if (this.#context.options.preconnectRatio > 1) this.#connectAhead();
      return undefined;
    }
    if (this.#draining || !resources.pendingRequests.canCreate) {
      stats.upstream_rq_pending_overflow++;
      this.#idleCheck();
      handler.onFailure(ResetReason.Overflow, '');
      return undefined;
    }
    const request = new PendingRequest(this, handler);
    this.#pending.push(request);
    resources.pendingRequests.inUse++;
    stats.upstream_rq_pending_total++;
    stats.upstream_rq_pending_active++;
    this.#context.host.stats.rq_pending_active++;
    this.#connectIfNeeded();
    return request;
  }

  cancelPending(request: PendingRequest): void {
    const at = this.#pending.indexOf(request);
    if (at < 0) return;
    this.#pending.splice(at, 1);
    this.#leavePending();
    this.#context.stats.upstream_rq_cancelled++;
    if (this.#draining) this.#stopConnecting();
    this.#idleCheck();
  }

  #leavePending(): void {
    const { stats, resources } = this.#context;
    resources.pendingRequests.inUse--;
    stats.upstream_rq_pending_active--;
    this.#context.host.stats.rq_pending_active--;
  }

  #connectIfNeeded(): void {
    if (this.#context.options.preconnectRatio > 1) {
      this.#connectAhead();
      return;
    }
    let expected = 0;
    for (const { capacity } of this.#connecting) expected += capacity;
    if (expected < this.#pending.length && this.#mayConnect()) this.#connect();
  }

  /** Keeps more connections than there are requests (`per_upstream_preconnect_ratio`). */
  #connectAhead(): void {
    const { preconnectRatio } = this.#context.options;
    // A host that is not well is not given more to do than there is.
    const ratio = this.#context.host.healthy ? preconnectRatio : 1;
    for (let made = 0; made < MAX_AHEAD; made++) {
      let capacity = 0;
      let active = 0;
      for (const connecting of this.#connecting) capacity += connecting.capacity;
      for (const connection of this.#connections) {
        capacity += connection.capacity;
        active += connection.streams;
      }
      if ((this.#pending.length + active) * ratio <= capacity + active || !this.#mayConnect()) return;
      this.#connect();
    }
  }

  #mayConnect(): boolean {
    const { resources, stats, host } = this.#context;
    if (resources.connections.canCreate && host.stats.cx_active < resources.maxConnectionsPerHost) return true;
    stats.upstream_cx_overflow++;
    // With no connection at all requests would wait for nothing.
    return this.#connections.size + this.#connecting.size === 0;
  }

  #connect(): void {
    const { stats, resources, host, protocol, options } = this.#context;
    resources.connections.inUse++;
    stats.upstream_cx_total++;
    stats.upstream_cx_active++;
    host.stats.cx_total++;
    host.stats.cx_active++;
    if (protocol !== 'auto') this.#countProtocol(protocol === 'http2');
    const capacity = protocol === 'http2' ? options.http2.maxConcurrentStreams : 1;
    const since = this.#context.net.timers.now();
    const connecting: Connecting = { capacity, attempt: undefined };
    this.#connecting.add(connecting);
    connecting.attempt = this.#context.connect({
      onConnected: (connection) => {
        this.#connecting.delete(connecting);
        stats.upstream_cx_connect_ms.record(this.#context.net.timers.now() - since);
        this.#onConnected(connection);
      },
      onFailed: (details, timeout, local) => {
        this.#connecting.delete(connecting);
        this.#onConnectFailed(details, timeout, local);
      },
    });
  }

  #countProtocol(http2: boolean): void {
    const { stats, codecStats } = this.#context;
    codecStats(http2);
    if (http2) stats.upstream_cx_http2_total++;
    else stats.upstream_cx_http1_total++;
  }

  #connectionGone(): void {
    const { stats, resources, host } = this.#context;
    resources.connections.inUse--;
    stats.upstream_cx_active--;
    stats.upstream_cx_destroy++;
    host.stats.cx_active--;
  }

  #onConnectFailed(details: string, timeout: boolean, local = false): void {
    const { stats, host } = this.#context;
    this.#connectionGone();
    stats.upstream_cx_connect_fail++;
    host.stats.cx_connect_fail++;
    if (timeout) stats.upstream_cx_connect_timeout++;
    if (timeout || local) stats.upstream_cx_destroy_local++;
    else stats.upstream_cx_destroy_remote++;
    const reason = local ? ResetReason.LocalConnectionFailure : ResetReason.ConnectionFailure;
    // Whoever waits is told: the router tries another host, and waiting here for the next attempt would hide that.
    const failed = this.#pending;
    this.#pending = [];
    for (const request of failed) {
      this.#leavePending();
      stats.upstream_rq_pending_failure_eject++;
      request.handler.onFailure(reason, timeout ? 'connection timeout' : details);
    }
    this.#idleCheck();
  }

  #onConnected(socket: Connection): void {
    const { protocol } = this.#context;
    const http2 = protocol === 'http2' || (protocol === 'auto' && socket.tls?.alpn === 'h2');
    if (protocol === 'auto') this.#countProtocol(http2);
    const connection = new HttpConnection(socket, http2, this.#context, {
      available: () => this.#onAvailable(connection),
      closed: () => this.#onClosed(connection),
    });
    this.#connections.add(connection);
    connection.start();
    this.#onAvailable(connection);
    if (this.#draining) connection.drain();
  }

  #onAvailable(connection: HttpConnection): void {
    while (connection.canOpen && this.#pending.length > 0) {
      const request = this.#pending.shift()!;
      this.#leavePending();
      if (!this.#context.resources.requests.canCreate) {
        this.#context.stats.upstream_rq_active_overflow++;
        request.handler.onFailure(ResetReason.Overflow, '');
        continue;
      }
      connection.open(request.handler);
    }
    if (connection.canOpen && !connection.listed && !this.#draining) {
      this.#ready.push(connection);
      connection.listed = true;
    }
    // Requests of HTTP/1 had their connections made when they came; a server of HTTP/2 may allow fewer than it was hoped.
    if (this.#pending.length > 0 && !connection.exclusive) this.#connectIfNeeded();
  }

  #onClosed(connection: HttpConnection): void {
    this.#connections.delete(connection);
    if (connection.listed) this.#ready.splice(this.#ready.indexOf(connection), 1);
    this.#connectionGone();
    if (this.#pending.length > 0) this.#connectIfNeeded();
    this.#idleCheck();
  }

  #idleCheck(): void {
    if (this.#gone || this.#pending.length > 0 || this.#connections.size > 0 || this.#connecting.size > 0) return;
    this.#gone = true;
    this.#context.onGone();
  }

  /** Takes no new requests and is gone when those that it has are over; those that wait still get their connections. */
  drain(): void {
    this.#draining = true;
    this.drainExisting();
    this.#stopConnecting();
    this.#idleCheck();
  }

  /** Gives up the connections that are being made and that no request waits for. */
  #stopConnecting(): void {
    let wanted = this.#pending.length;
    for (const connecting of this.#connecting) {
      if (wanted > 0) {
        wanted -= connecting.capacity;
        continue;
      }
      this.#connecting.delete(connecting);
      connecting.attempt?.cancel();
      this.#connectionGone();
      this.#context.stats.upstream_cx_destroy_local++;
    }
  }

  drainExisting(): void {
    for (const connection of this.#ready) connection.listed = false;
    this.#ready.length = 0;
    for (const connection of [...this.#connections]) connection.drain();
  }

  closeAll(): void {
    this.#draining = true;
    const failed = this.#pending;
    this.#pending = [];
    this.#stopConnecting();
    for (const request of failed) {
      this.#leavePending();
      request.handler.onFailure(ResetReason.ConnectionTermination, '');
    }
    for (const connection of [...this.#connections]) connection.close();
    this.#idleCheck();
  }
}
