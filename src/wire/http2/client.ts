import type { Headers } from '../headers.ts';
import {
  type ClientCallbacks,
  type ClientCodec,
  type OutgoingStream,
  type Output,
  ResetReason,
  type StreamHandler,
} from '../http.ts';
import { Http2Connection } from './connection.ts';
import { ErrorCode, MAX_31_BITS, PREFACE } from './constants.ts';
import type { HeaderBlock } from './header-block.ts';
import { BlockKind, Details } from './message-reader.ts';
import { DEFAULT_OPTIONS, type Http2Options } from './options.ts';
import { Http2Stream } from './stream.ts';

/** Interim responses to one request; a peer that sends more means no good. */
const MAX_INFORMATIONAL = 100;

/**
 * The client's end of an HTTP/2 connection. The preface and its settings are written to the Output at once.
 *
 * An exchange is over when the response is complete, as in HTTP/1: what is left of the request is then given up with
 * RST_STREAM(CANCEL). Only CONNECT goes on until both directions have ended.
 */
export class Http2ClientCodec extends Http2Connection implements ClientCodec {
  readonly #callbacks: ClientCallbacks;
  protected override readonly lastPeerStream = 0;
  #nextId = 1;
  /** Streams without headers, which have no id yet. */
  readonly #unsent = new Set<Http2Stream>();
  #draining = false;

  constructor(output: Output, callbacks: ClientCallbacks, options: Http2Options = DEFAULT_OPTIONS) {
    output.writeLatin1(PREFACE);
    super(output, options, false);
    this.#callbacks = callbacks;
  }

  override get activeStreams(): number {
    return this.streams.size + this.#unsent.size;
  }

  get canOpen(): boolean {
    return (
      !this.dead &&
      !this.#draining &&
      this.activeStreams < Math.min(this.peer.maxConcurrentStreams, this.options.maxConcurrentStreams)
    );
  }

  /** The peer takes extended CONNECT (RFC 8441). */
  get peerAllowsConnect(): boolean {
    return this.peer.enableConnectProtocol;
  }

  newStream(handler: StreamHandler): OutgoingStream {
    if (!this.canOpen) throw new Error('HTTP/2 connection takes no further stream');
    const { initialStreamWindowSize } = this.options;
    const stream = new Http2Stream(this, handler, 0, 0, initialStreamWindowSize);
    this.#unsent.add(stream);
    return stream;
  }

  receiveEnd(): void {
    if (this.dead) return;
    this.connectionClosed(ResetReason.ConnectionTermination, 'peer closed the connection');
    this.#drain();
  }

  protected override closeAll(reason: ResetReason, details: string): void {
    super.closeAll(reason, details);
    this.#closeUnsent(reason, details);
  }

  #closeUnsent(reason: ResetReason, details: string): void {
    const unsent = [...this.#unsent];
    this.#unsent.clear();
    for (const stream of unsent) {
      if (stream.closed) continue;
      stream.closed = true;
      stream.handler.onReset(reason, details);
    }
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#callbacks.onDrain();
  }

  protected override idle(id: number): boolean {
    return id >= this.#nextId || (id & 1) === 0;
  }

  override holdsAnswer(): boolean {
    return false;
  }

  override heldAnswerEnded(): void {}

  protected override allRead(): void {}

  override startHeaders(stream: Http2Stream, headers: Headers): boolean {
    this.#unsent.delete(stream);
    stream.id = this.#nextId;
    stream.sendWindow = this.peer.initialWindowSize;
    stream.head = headers.method === 'HEAD';
    stream.tunnel = headers.method === 'CONNECT';
    this.#nextId += 2;
    this.constraints.opened++;
    this.streams.set(stream.id, stream);
    if (this.#nextId > MAX_31_BITS) this.#drain();
    return true;
  }

  protected override headerBlock(block: HeaderBlock): void {
    const { stream: id, endStream, selfDependent } = block;
    const stream = this.streams.get(id);
    if (stream === undefined && !this.abandoned.has(id)) {
      if (this.idle(id)) this.fail(ErrorCode.ProtocolError, 'http2.headers_on_idle_stream');
      else this.fail(ErrorCode.StreamClosed, 'http2.stream_closed');
      return;
    }
    const kind = stream?.headersReceived ? BlockKind.Trailers : BlockKind.Response;
    if (!this.decode(kind, block) || stream === undefined) return;
    if (selfDependent) this.failStream(stream, ErrorCode.ProtocolError, 'http2.self_dependency');
    else if (kind === BlockKind.Trailers) this.trailers(stream, endStream);
    else this.#response(stream, endStream);
  }

  /** The response, or interim response, that was decoded last. */
  #response(stream: Http2Stream, endStream: boolean): void {
    const { message } = this;
    if (!message.finish()) {
      this.refuseMessage(stream);
      return;
    }
    const { headers, contentLength } = message;
    const { status } = headers;
    if (status < 200) {
      if (endStream || ++stream.informational > MAX_INFORMATIONAL) this.malformed(stream, Details.MessagingRule);
      else stream.handler.onInformational?.(headers);
      return;
    }
    stream.headersReceived = true;
    if (stream.head || status === 204 || status === 304) stream.contentLength = 0;
    else if (!stream.tunnel || status >= 300) stream.contentLength = contentLength;
    if (endStream && stream.contentLength > 0) {
      this.malformed(stream, Details.MessagingRule);
      return;
    }
    stream.remoteEnd = endStream;
    stream.handler.onHeaders(headers, endStream);
    if (endStream) this.remoteEnded(stream);
  }

  override localEnded(stream: Http2Stream): void {
    if (stream.remoteEnd && !stream.heldComplete && stream.tunnel) this.close(stream, undefined);
  }

  override remoteEnded(stream: Http2Stream): void {
    if (stream.localSent) this.close(stream, undefined);
    else if (!stream.tunnel) this.close(stream, ErrorCode.Cancel);
  }

  protected override resetCode(_stream: Http2Stream, reason: ResetReason): ErrorCode {
    return reason === ResetReason.ProtocolError ? ErrorCode.ProtocolError : ErrorCode.Cancel;
  }

  protected override notePrematureEnd(_stream: Http2Stream): boolean {
    return true;
  }

  override goAwayReceived(lastStream: number, _code: number): void {
    const refused = [...this.streams.values()].filter((stream) => stream.id > lastStream);
    this.#drain();
    for (const stream of refused) {
      if (!stream.closed) this.endStream(stream, undefined, ResetReason.RemoteRefused, 'http2.remote_refuse');
    }
    this.#closeUnsent(ResetReason.RemoteRefused, 'http2.remote_refuse');
  }

  override resetStream(stream: Http2Stream, reason: ResetReason): void {
    if (stream.id !== 0) {
      super.resetStream(stream, reason);
      return;
    }
    stream.closed = true;
    this.#unsent.delete(stream);
    this.streamClosed();
  }

  protected override streamClosed(): void {
    if (this.canOpen) this.#callbacks.onStreamAvailable();
  }

  override settingsChanged(): void {
    super.settingsChanged();
    if (this.canOpen) this.#callbacks.onStreamAvailable();
  }

  protected override connectionFailed(details: string): void {
    this.#callbacks.onConnectionError(details);
  }
}
