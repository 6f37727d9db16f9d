import {
  type OutgoingStream,
  ResetReason,
  type ServerCallbacks,
  type ServerCodec,
  type StreamHandler,
} from '../../wire/http.ts';
import { Http1ServerCodec } from '../../wire/http1/server.ts';
import { Http2ServerCodec } from '../../wire/http2/server.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import { CloseReason, type Connection, type ConnectionHandler } from '../net/connection.ts';
import type { DrainSignal } from '../net/network-filter.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { Timer } from '../timers.ts';
import { ActiveStream, type StreamOwner } from './active-stream.ts';
import type { HcmConfig } from './config.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** A downstream HTTP connection: the last network filter of an HTTP filter chain. */
export class HttpConnectionManager implements ConnectionHandler, ServerCallbacks, StreamOwner {
  readonly config: HcmConfig;
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly connection: Connection;
  readonly #stopWatching: () => void;
  /** Of the connection as a whole, for the access log of its listener. */
  readonly #account: StreamInfo;
  #codec: ServerCodec | undefined = undefined;
  /** The first bytes, while they could still be the preface of HTTP/2. */
  #first: Buffer | undefined = undefined;
  #streams = new Set<ActiveStream>();
  #requests = 0;
  readonly #drain: DrainSignal;
  #draining = false;
  #goneAway = false;
  /** The peer ended the connection while requests were under way. */
  #leftActive = false;
  #closing = false;
  #idleSince: number;
  readonly #startedAt: number;
  #idleTimer: Timer | undefined = undefined;
  #durationTimer: Timer | undefined = undefined;
  #drainTimer: Timer | undefined = undefined;

  constructor(
    connection: Connection,
    config: HcmConfig,
    worker: WorkerContext,
    clusters: ClusterSource,
    drain: DrainSignal,
    account: StreamInfo,
  ) {
    this.connection = connection;
    this.#account = account;
    this.config = config;
    this.worker = worker;
    this.clusters = clusters;
    this.#idleSince = worker.timers.now();
    this.#startedAt = this.#idleSince;
    const { stats } = config;
    stats.downstream_cx_total++;
    stats.downstream_cx_active++;
    if (connection.tls) {
      stats.downstream_cx_ssl_total++;
      stats.downstream_cx_ssl_active++;
    }
    if (config.codec !== 'auto') this.#startCodec(config.codec === 'http2');
    else if (connection.tls?.alpn) this.#startCodec(connection.tls.alpn === 'h2');
    if (config.idleTimeoutMs > 0) this.#armIdle(config.idleTimeoutMs);
    if (config.maxConnectionDurationMs > 0) {
      this.#durationTimer = worker.timers.start(config.maxConnectionDurationMs, () => {
        stats.downstream_cx_max_duration_reached++;
        this.#startDrain();
      });
    }
    this.#drain = drain;
    this.#stopWatching = drain.onDrain(() => this.#onDrain());
    this.#onDrain();
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' {
    return this.#codec?.protocol ?? 'HTTP/1.1';
  }

  get draining(): boolean {
    return this.#draining;
  }

  get toBeDrained(): boolean {
    return this.#drain.draining;
  }

  drain(): void {
    this.#startDrain();
  }

  /** Without haste a client is told with its next response, as with Envoy. */
  #onDrain(): void {
    if (this.#drain.urgent) this.#startDrain();
  }

  #startCodec(http2: boolean): ServerCodec {
    const { stats } = this.config;
    if (http2) {
      stats.downstream_cx_http2_total++;
      stats.downstream_cx_http2_active++;
      this.#codec = new Http2ServerCodec(this.connection, this, this.config.http2);
    } else {
      stats.downstream_cx_http1_total++;
      stats.downstream_cx_http1_active++;
      this.#codec = new Http1ServerCodec(this.connection, this, this.config.http1);
    }
    if (this.#draining) this.#drainCodec(this.#codec);
    return this.#codec;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.config.stats.downstream_cx_rx_bytes_total += end - start;
    if (this.#codec !== undefined) this.#codec.receive(bytes, start, end);
    else this.#detect(bytes.subarray(start, end));
    const account = this.#account;
    if (account.protocol !== '' || this.#codec === undefined) return;
    if ((account.flags & ResponseFlag.DownstreamProtocolError) === 0) account.protocol = this.#codec.protocol;
  }

  /** `AUTO` without ALPN: the preface of HTTP/2 is not a request that HTTP/1 could have. */
  #detect(more: Buffer): void {
    const seen = this.#first === undefined ? more : Buffer.concat([this.#first, more]);
    const length = Math.min(seen.length, PREFACE.length);
    const prefix = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (prefix && seen.length < PREFACE.length) {
      this.#first = Buffer.from(seen);
      return;
    }
    this.#first = undefined;
    this.#startCodec(prefix).receive(seen, 0, seen.length);
  }

  onEnd(): void {
    if (this.#codec === undefined) {
      this.#closeGently();
      return;
    }
    const active = this.#streams.size > 0;
    this.#codec.receiveEnd();
    this.#leftActive = active && this.#closing;
  }

  onBackpressure(high: boolean): void {
    this.#codec?.outputBackpressure(high);
  }

  newStream(out: OutgoingStream): StreamHandler {
    this.#requests++;
    const { maxRequestsPerConnection, stats } = this.config;
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) {
      stats.downstream_cx_max_requests_reached++;
      this.#startDrain();
    }
    const stream = new ActiveStream(this, out);
    this.#streams.add(stream);
    return stream;
  }

  streamRecreated(stream: ActiveStream): void {
    this.#streams.add(stream);
  }

  streamEnded(stream: ActiveStream): void {
    this.#streams.delete(stream);
    // With HTTP/1 a message that is none is the end of the connection, and its account says so as well.
    if (this.#codec instanceof Http1ServerCodec) {
      this.#account.flags |= stream.info.flags & ResponseFlag.DownstreamProtocolError;
    }
    if (this.#streams.size > 0) return;
    this.#idleSince = this.worker.timers.now();
    if (this.#goneAway) this.#closeWhenSent();
  }

  /** The codec may hold responses that wait for the peer's window: the connection goes when they have left. */
  #closeWhenSent(): void {
    if (this.#codec === undefined || this.#codec.activeStreams === 0) this.#closeGently();
  }

  onConnectionError(): void {
    if (!(this.#codec instanceof Http1ServerCodec)) this.#account.flags |= ResponseFlag.DownstreamProtocolError;
    this.#closeGently();
  }

  onConnectionDone(): void {
    this.#closeGently();
  }

  onWantsPause(): void {
    this.connection.pauseReading(this.#codec!.wantsPause);
  }

  #closeGently(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.config.delayedCloseMs > 0) this.connection.closeAfterFlush(this.config.delayedCloseMs);
    else this.connection.closeAfterFlush(1);
  }

  #armIdle(ms: number): void {
    const { timers } = this.worker;
    this.#idleTimer = timers.start(ms, () => {
      const { idleTimeoutMs, stats } = this.config;
      const left = this.#streams.size > 0 ? idleTimeoutMs : this.#idleSince + idleTimeoutMs - timers.now();
      if (left > 0) {
        this.#armIdle(left);
        return;
      }
      stats.downstream_cx_idle_timeout++;
      this.#startDrain();
    });
  }

  /** The connection is to end with its next response, and at once if it has nothing to do. */
  #startDrain(): void {
    if (this.#closing) return;
    if (!this.#draining) {
      this.#draining = true;
      this.config.stats.downstream_cx_drain_close++;
      if (this.#codec) this.#drainCodec(this.#codec);
    }
    const codec = this.#codec;
    if (codec === undefined) {
      this.connection.close();
    } else if (codec instanceof Http1ServerCodec) {
      this.#goneAway = true;
      if (codec.idle) this.#closeGently();
    }
  }

  /** No new requests: HTTP/2 clients are told twice, a drain timeout apart, so that none that are on their way are lost. */
  #drainCodec(codec: ServerCodec): void {
    codec.drain();
    if (codec instanceof Http1ServerCodec) return;
    this.#drainTimer = this.worker.timers.start(this.config.drainTimeoutMs, () => {
      codec.goAway();
      this.#goneAway = true;
      if (this.#streams.size === 0) this.#closeWhenSent();
    });
  }

  onClose(reason: CloseReason, details: string): void {
    const { stats } = this.config;
    this.#stopWatching();
    this.#idleTimer?.cancel();
    this.#durationTimer?.cancel();
    this.#drainTimer?.cancel();
    stats.downstream_cx_active--;
    stats.downstream_cx_destroy++;
    stats.downstream_cx_length_ms.record(this.worker.timers.now() - this.#startedAt);
    stats.downstream_cx_tx_bytes_total += this.connection.bytesSent;
    if (this.connection.tls) stats.downstream_cx_ssl_active--;
    if (this.#codec instanceof Http1ServerCodec) stats.downstream_cx_http1_active--;
    else if (this.#codec !== undefined) stats.downstream_cx_http2_active--;
    const active = this.#streams.size > 0 || this.#leftActive;
    if (active) stats.downstream_cx_destroy_active_rq++;
    if (reason === CloseReason.Local) {
      stats.downstream_cx_destroy_local++;
      if (active) stats.downstream_cx_destroy_local_active_rq++;
    } else {
      stats.downstream_cx_destroy_remote++;
      if (active) stats.downstream_cx_destroy_remote_active_rq++;
    }
    this.#codec?.connectionClosed(ResetReason.ConnectionTermination, details);
  }
}
