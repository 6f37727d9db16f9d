import type { Headers } from '../../../wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import type { Cancelable, Cluster, UpstreamOptions, UpstreamStreamHandler } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { UpstreamConnectionInfo } from '../../observe/stream-info.ts';
import type { UpstreamTrace } from '../../observe/tracing/span.ts';
import type { Timer, Timers } from '../../timers.ts';
import { failureFlag, reasonText } from './failures.ts';
import type { Timeouts } from './timeouts.ts';

/** The router filter as one of its attempts sees it. */
export interface AttemptOwner {
  readonly timers: Timers;
  attemptReady(attempt: UpstreamRequest, connection: UpstreamConnectionInfo): void;
  attemptInformational(attempt: UpstreamRequest, headers: Headers): void;
  attemptHeaders(attempt: UpstreamRequest, headers: Headers, end: boolean): void;
  attemptData(attempt: UpstreamRequest, chunk: Uint8Array, end: boolean): void;
  attemptTrailers(attempt: UpstreamRequest, trailers: Headers): void;
  /** No response will come, or no more of it. `transportFailure` is what TCP or TLS said. */
  attemptFailed(attempt: UpstreamRequest, reason: ResetReason, transportFailure: string): void;
  attemptTimedOut(attempt: UpstreamRequest, idle: boolean): void;
  /** The upstream takes the request more slowly (true) than it comes, or has caught up (false). */
  attemptBackpressure(high: boolean): void;
}

export type OpenUpstream = (
  cluster: Cluster,
  host: Host,
  options: UpstreamOptions,
  handler: UpstreamStreamHandler,
) => Cancelable | undefined;

export const openHttp: OpenUpstream = (cluster, host, options, handler) => cluster.openHttp(host, options, handler);

/** One attempt to have a request answered by one host. */
export class UpstreamRequest implements UpstreamStreamHandler {
  readonly host: Host;
  readonly #owner: AttemptOwner;
  readonly #headers: Headers;
  #waiting: Cancelable | undefined = undefined;
  #stream: OutgoingStream | undefined = undefined;
  /** What is to be sent once there is a connection. */
  #queue: Uint8Array[] = [];
  #trailers: Headers | undefined = undefined;
  #headersEnd: boolean;
  #ended = false;
  #over = false;
  #high = false;
  #perTryMs = 0;
  #perTryIdleMs = 0;
  #perTryTimer: Timer | undefined = undefined;
  #idleTimer: Timer | undefined = undefined;
  responseStarted = false;
  /** It has taken too long, and goes on beside another attempt that was made or is to be. */
  hedged = false;
  /** That it took too long was told to whoever watches its host. */
  timeoutNoted = false;
  /** Set where the attempt has a span of its own. */
  span: UpstreamTrace | undefined = undefined;
  connection: UpstreamConnectionInfo | undefined = undefined;
  /** Something of the request was sent on a connection. */
  requestStarted = false;
  /** When the request was complete at this host's connection. */
  readonly startedAt: number;

  constructor(owner: AttemptOwner, host: Host, headers: Headers, end: boolean) {
    this.#owner = owner;
    this.host = host;
    this.#headers = headers;
    this.#headersEnd = end;
    this.#ended = end;
    this.startedAt = owner.timers.now();
  }

  /** `open` gets a stream to the host: of HTTP, or the tunnel of a CONNECT that ends here. */
  start(
    cluster: Cluster,
    options: UpstreamOptions,
    open: OpenUpstream,
    { perTryMs, perTryIdleMs }: Pick<Timeouts, 'perTryMs' | 'perTryIdleMs'>,
  ): void {
    this.#perTryMs = perTryMs;
    this.#perTryIdleMs = perTryIdleMs;
    const waiting = open(cluster, this.host, options, this);
    if (this.#stream === undefined && !this.#over) this.#waiting = waiting;
  }

  onReady(stream: OutgoingStream, connection: UpstreamConnectionInfo): void {
    this.#waiting = undefined;
    this.#stream = stream;
    this.requestStarted = true;
    this.connection = connection;
    if (this.span !== undefined) this.span.protocol = connection.protocol;
    this.#owner.attemptReady(this, connection);
    if (this.#over) return;
    if (this.#perTryIdleMs > 0) this.#armIdle();
    stream.sendHeaders(this.#headers, this.#headersEnd);
    const queue = this.#queue;
    this.#queue = [];
    const trailers = this.#trailers;
    for (let i = 0; i < queue.length && !this.#over; i++) {
      stream.sendData(queue[i], this.#ended && trailers === undefined && i === queue.length - 1);
    }
    if (trailers !== undefined && !this.#over) stream.sendTrailers(trailers);
    if (this.#ended) this.#armPerTry();
  }

  onFailure(reason: ResetReason, details: string): void {
    this.#noteFailure(reason, details);
    this.#end();
    this.#owner.attemptFailed(this, reason, details);
  }

  /** Sends body; `end` ends the request. */
  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.#over || this.#ended) return;
    if (end) this.#ended = true;
    if (this.#stream === undefined) {
      this.#queue.push(chunk);
      return;
    }
    this.#stream.sendData(chunk, end);
    this.#touch();
    if (end) this.#armPerTry();
  }

  sendTrailers(trailers: Headers): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    if (this.#stream === undefined) {
      this.#trailers = trailers;
      return;
    }
    this.#stream.sendTrailers(trailers);
    this.#armPerTry();
  }

  #armPerTry(): void {
    if (this.#perTryMs === 0 || this.#perTryTimer !== undefined || this.#over) return;
    this.#perTryTimer = this.#owner.timers.start(this.#perTryMs, () => this.#owner.attemptTimedOut(this, false));
  }

  #armIdle(): void {
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#owner.timers.start(this.#perTryIdleMs, () => this.#owner.attemptTimedOut(this, true));
  }

  #touch(): void {
    if (this.#idleTimer !== undefined) this.#armIdle();
  }

  onInformational(headers: Headers): void {
    this.#touch();
    this.#owner.attemptInformational(this, headers);
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.#touch();
    this.#perTryTimer?.cancel();
    this.responseStarted = true;
    if (this.span !== undefined) {
      this.span.status = headers.status;
      this.span.response = headers;
    }
    if (end) this.#end();
    this.#owner.attemptHeaders(this, headers, end);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.#touch();
    if (end) this.#end();
    this.#owner.attemptData(this, chunk, end);
  }

  onTrailers(trailers: Headers): void {
    if (this.span !== undefined) this.span.response = trailers;
    this.#end();
    this.#owner.attemptTrailers(this, trailers);
  }

  onReset(reason: ResetReason): void {
    this.#noteFailure(reason, '');
    this.#end();
    this.#owner.attemptFailed(this, reason, '');
  }

  #noteFailure(reason: ResetReason, transportFailure: string): void {
    if (this.span === undefined) return;
    this.span.failure = reasonText(reason, transportFailure);
    this.span.flags = failureFlag(reason);
  }

  onError(): void {
    this.#noteFailure(ResetReason.ProtocolError, '');
    this.#end();
    this.#owner.attemptFailed(this, ResetReason.ProtocolError, '');
  }

  onWriteBackpressure(high: boolean): void {
    if (high === this.#high) return;
    this.#high = high;
    this.#owner.attemptBackpressure(high);
  }

  /** Slows the response down (true) or lets it go on. */
  pauseResponse(pause: boolean): void {
    if (!this.#over) this.#stream?.pauseReading(pause);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#perTryTimer?.cancel();
    this.#idleTimer?.cancel();
    this.span?.finish();
    if (this.#high) {
      this.#high = false;
      this.#owner.attemptBackpressure(false);
    }
  }

  get over(): boolean {
    return this.#over;
  }

  /** Gives the attempt up; the owner hears nothing more of it. */
  cancel(): void {
    if (this.#over) return;
    if (this.span !== undefined) this.span.canceled = true;
    this.#end();
    if (this.#stream === undefined) this.#waiting?.cancel();
    else this.#stream.reset(ResetReason.LocalReset);
  }
}
