import { type ClientCodec, ResetReason } from '../../wire/http.ts';
import { Http1ClientCodec } from '../../wire/http1/client.ts';
import type { Http1Options } from '../../wire/http1/head.ts';
import { Http2ClientCodec } from '../../wire/http2/client.ts';
import type { Http2Options } from '../../wire/http2/options.ts';
import { CloseReason, type Connection, type ConnectionHandler } from '../net/connection.ts';
import type { NetContext } from '../net/socket-connection.ts';
import type { UpstreamConnectionInfo } from '../observe/stream-info.ts';
import type { Timer } from '../timers.ts';
import type { UpstreamStreamHandler } from './cluster.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import type { Host } from './host.ts';
import { PooledStream, type StreamEnd, type StreamOwner } from './pooled-stream.ts';
import type { Http2Keepalive } from './protocol-config.ts';
import type { ResourceManager } from './resources.ts';

export interface HttpConnectionOptions {
  readonly http1: Http1Options;
  readonly http2: Http2Options;
  /** 0 for none. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly http2Keepalive: Http2Keepalive | undefined;
}

interface HttpConnectionContext {
  readonly net: NetContext;
  readonly host: Host;
  readonly stats: ClusterStats;
  readonly resources: ResourceManager;
  readonly options: HttpConnectionOptions;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Statistics of connections of a protocol, shown from the first one on; HTTP/1 has nothing to count. */
  codecStats(http2: boolean): Http2CodecStats | undefined;
}

interface HttpConnectionEvents {
  /** `canOpen` may have become true. */
  available(): void;
  closed(): void;
}

/** One upstream connection with its codec. */
export class HttpConnection implements ConnectionHandler, StreamOwner {
  readonly info: UpstreamConnectionInfo;
  /** HTTP/1: a request has it for itself. */
  readonly exclusive: boolean;
  /** Whether its pool has it in the list of ready connections; the pool's to write. */
  listed = false;
  readonly #connection: Connection;
  readonly #codec: ClientCodec;
  readonly #context: HttpConnectionContext;
  readonly #events: HttpConnectionEvents;
  readonly #codecStats: Http2CodecStats | undefined;
  readonly #requestsLeft: () => boolean;
  readonly #startedAt: number;
  #requests = 0;
  #streams = 0;
  #draining = false;
  /** A request was given up that the connection cannot outlive. */
  #cut = false;
  #idleSince = 0;
  #heardAt = 0;
  #pinging = false;
  #idleTimer: Timer | undefined = undefined;
  #durationTimer: Timer | undefined = undefined;
  #keepaliveTimer: Timer | undefined = undefined;

  constructor(connection: Connection, http2: boolean, context: HttpConnectionContext, events: HttpConnectionEvents) {
    this.#connection = connection;
    this.exclusive = !http2;
    this.#context = context;
    this.#startedAt = context.net.timers.now();
    this.#codecStats = context.codecStats(http2);
    this.#events = events;
    const { options } = context;
    const max = options.maxRequestsPerConnection;
    this.#requestsLeft = max > 0 ? () => this.#requests < max : () => true;
    const callbacks = {
      onConnectionError: (details: string) => this.#onCodecError(details),
      onDrain: () => this.drain(),
      onStreamAvailable: () => this.#events.available(),
      onWantsPause: () => connection.pauseReading(this.#codec.wantsPause),
    };
    this.#codec = http2
      ? new Http2ClientCodec(connection, callbacks, options.http2)
      : new Http1ClientCodec(connection, callbacks, options.http1);
    this.info = {
      id: connection.id,
      local: connection.local,
      remote: connection.remote,
      tls: connection.tls,
      protocol: http2 ? 'HTTP/2' : 'HTTP/1.1',
    };
    connection.setHandler(this);
  }

  start(): void {
    const { options, net } = this.#context;
    this.#connection.start();
    this.#noteIdle();
    if (options.maxConnectionDurationMs > 0) {
      this.#durationTimer = net.timers.start(options.maxConnectionDurationMs, () => {
        this.#context.stats.upstream_cx_max_duration_reached++;
        this.drain();
      });
    }
    this.#heardAt = this.#startedAt;
    this.#keepAlive();
  }

  /** Requests under way. */
  get streams(): number {
    return this.#streams;
  }

  /** How many more requests it could take now. */
  get capacity(): number {
    if (!this.canOpen) return 0;
    return this.exclusive ? 1 : Math.max(0, this.#context.options.http2.maxConcurrentStreams - this.#streams);
  }

  get canOpen(): boolean {
    return !this.#draining && this.#codec.canOpen && this.#requestsLeft();
  }

  open(handler: UpstreamStreamHandler): void {
    const { host, stats, resources } = this.#context;
    this.#requests++;
    this.#streams++;
    resources.requests.inUse++;
    stats.upstream_rq_total++;
    stats.upstream_rq_active++;
    host.stats.rq_total++;
    host.stats.rq_active++;
    if (this.#codecStats) this.#codecStats.streams_active++;
    const stream = new PooledStream(this, handler);
    stream.attach(this.#codec.newStream(stream));
    this.#askIfSilent();
    handler.onReady(stream, this.info);
    if (!this.#requestsLeft()) {
      stats.upstream_cx_max_requests++;
      this.drain();
    }
  }

  /** A connection that was silent for long may be dead without anybody having said so. */
  #askIfSilent(): void {
    const keepalive = this.#context.options.http2Keepalive;
    if (keepalive === undefined || keepalive.idleInterval === 0) return;
    if (this.#context.net.timers.now() - this.#heardAt >= keepalive.idleInterval) this.#ping(keepalive);
  }

  streamEnded(_stream: PooledStream, reset: StreamEnd): void {
    const { host, stats, resources } = this.#context;
    this.#streams--;
    resources.requests.inUse--;
    stats.upstream_rq_active--;
    host.stats.rq_active--;
    const codec = this.#codecStats;
    // HTTP/1 has no resets, only connections that end.
    if (codec === undefined) this.#cut ||= reset === 'local';
    else {
      codec.streams_active--;
      if (reset === 'local') {
        stats.upstream_rq_tx_reset++;
        codec.tx_reset++;
      } else if (reset === 'remote') {
        stats.upstream_rq_rx_reset++;
        codec.rx_reset++;
      }
    }
    if (this.#streams > 0) return;
    this.#idleSince = this.#context.net.timers.now();
    if (this.#draining) this.#closeWhenQuiet();
  }

  /** The codec may still be in the middle of the stream's last event; the connection goes when that is over. */
  #closeWhenQuiet(): void {
    this.#context.net.flushQueue.add({
      flush: () => {
        if (this.#streams === 0) this.close();
      },
    });
  }

  #noteIdle(): void {
    const { options, net } = this.#context;
    this.#idleSince = net.timers.now();
    if (options.idleTimeoutMs > 0) this.#armIdle(options.idleTimeoutMs);
  }

  /** One timer for the whole life: it looks how long the connection has been idle and sleeps for the rest. */
  #armIdle(ms: number): void {
    const { options, net, stats } = this.#context;
    this.#idleTimer = net.timers.start(ms, () => {
      const left =
        this.#streams > 0 ? options.idleTimeoutMs : this.#idleSince + options.idleTimeoutMs - net.timers.now();
      if (left > 0) {
        this.#armIdle(left);
        return;
      }
      stats.upstream_cx_idle_timeout++;
      this.close();
    });
  }

  /** Pings at intervals (`connection_keepalive`). */
  #keepAlive(): void {
    const keepalive = this.#context.options.http2Keepalive;
    if (keepalive === undefined || keepalive.interval === 0 || this.exclusive || this.#connection.closed) return;
    const { interval, jitterPercent } = keepalive;
    const jitter = Math.floor(this.#context.random() * interval * (jitterPercent / 100));
    this.#keepaliveTimer = this.#context.net.timers.start(interval + jitter, () => this.#ping(keepalive));
  }

  #ping(keepalive: Http2Keepalive): void {
    if (this.#pinging || !(this.#codec instanceof Http2ClientCodec)) return;
    this.#pinging = true;
    this.#keepaliveTimer?.cancel();
    this.#keepaliveTimer = this.#context.net.timers.start(keepalive.timeout, () => {
      if (this.#codecStats) this.#codecStats.keepalive_timeout++;
      this.#connection.close('keepalive timeout');
    });
    this.#codec.ping(() => {
      this.#pinging = false;
      this.#keepaliveTimer?.cancel();
      this.#keepAlive();
    });
  }

  #onCodecError(details: string): void {
    if (this.#connection.closed) return;
    if (details !== 'stream reset') this.#context.stats.upstream_cx_protocol_error++;
    this.#codec.connectionClosed(ResetReason.ProtocolError, details);
    this.#connection.closeAfterFlush(0);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#context.stats.upstream_cx_rx_bytes_total += end - start;
    this.#heardAt = this.#context.net.timers.now();
    this.#codec.receive(bytes, start, end);
  }

  onEnd(): void {
    this.#codec.receiveEnd();
    if (!this.#connection.closed && this.#streams === 0) this.close();
  }

  onBackpressure(high: boolean): void {
    const { stats } = this.#context;
    if (high) stats.upstream_flow_control_backed_up_total++;
    else stats.upstream_flow_control_drained_total++;
    this.#codec.outputBackpressure(high);
  }

  onClose(reason: CloseReason, details: string): void {
    const { stats } = this.#context;
    this.#idleTimer?.cancel();
    this.#durationTimer?.cancel();
    this.#keepaliveTimer?.cancel();
    stats.upstream_cx_tx_bytes_total += this.#connection.bytesSent;
    const active = this.#streams > 0 || this.#cut;
    if (active) stats.upstream_cx_destroy_with_active_rq++;
    if (reason === CloseReason.Local) {
      stats.upstream_cx_destroy_local++;
      if (active) stats.upstream_cx_destroy_local_with_active_rq++;
    } else {
      stats.upstream_cx_destroy_remote++;
      if (active) stats.upstream_cx_destroy_remote_with_active_rq++;
    }
    stats.upstream_cx_length_ms.record(this.#context.net.timers.now() - this.#startedAt);
    stats.upstream_rq_per_cx.record(this.#requests);
    this.#draining = true;
    this.#codec.connectionClosed(ResetReason.ConnectionTermination, details);
    this.#events.closed();
  }

  /** Takes nothing new and closes when the streams that it carries are over. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    if (this.#streams === 0) this.#closeWhenQuiet();
  }

  close(): void {
    this.#connection.close();
  }
}
