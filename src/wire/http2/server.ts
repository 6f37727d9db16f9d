import type { Headers } from '../headers.ts';
import { type Output, ResetReason, type ServerCallbacks, type ServerCodec } from '../http.ts';
import { Http2Connection } from './connection.ts';
import { ErrorCode, MAX_31_BITS } from './constants.ts';
import type { HeaderBlock } from './header-block.ts';
import { BlockKind, Details } from './message-reader.ts';
import { DEFAULT_OPTIONS, type Http2Options } from './options.ts';
import { DEAF, Http2Stream } from './stream.ts';

/**
 * The server's end of an HTTP/2 connection. Its settings are written to the Output at once.
 *
 * An exchange is over when the response is complete, as in HTTP/1: a client that is still sending then is told to stop
 * with RST_STREAM(NO_ERROR). Only CONNECT goes on until both directions have ended.
 *
 * As in Envoy, what is answered while bytes are read is sent when they have all been read: a request that proves wrong
 * further on in them is one that was wrong, and not one that was answered.
 */
export class Http2ServerCodec extends Http2Connection implements ServerCodec {
  readonly #callbacks: ServerCallbacks;
  protected override lastPeerStream = 0;
  /** The last stream that the final GOAWAY promises to serve. */
  #lastServed = MAX_31_BITS;
  /** The peer knows that there will be no more streams. */
  #announced = false;
  #doneTold = false;
  #reading = false;
  /** Streams whose answers are kept until all that came has been read. */
  #held: Http2Stream[] = [];

  constructor(output: Output, callbacks: ServerCallbacks, options: Http2Options = DEFAULT_OPTIONS) {
    super(output, options, true);
    this.#callbacks = callbacks;
  }

  drain(): void {
    if (this.dead || this.#announced) return;
    this.#announced = true;
    this.writer.goAway(MAX_31_BITS, ErrorCode.NoError);
  }

  goAway(): void {
    if (this.dead || this.#lastServed !== MAX_31_BITS) return;
    this.#announced = true;
    this.#lastServed = this.lastPeerStream;
    this.writer.goAway(this.#lastServed, ErrorCode.NoError);
    this.#checkDone();
  }

  receiveEnd(): void {
    if (this.dead) return;
    this.connectionClosed(ResetReason.ConnectionTermination, 'peer closed the connection');
    this.#callbacks.onConnectionDone();
  }

  override receive(bytes: Buffer, start: number, end: number): void {
    this.#reading = true;
    super.receive(bytes, start, end);
  }

  protected override allRead(): void {
    this.#reading = false;
    const held = this.#held;
    if (held.length === 0) return;
    this.#held = [];
    for (const stream of held) stream.releaseAnswer();
  }

  override holdsAnswer(stream: Http2Stream): boolean {
    if (this.#reading) this.#held.push(stream);
    return this.#reading;
  }

  override heldAnswerEnded(stream: Http2Stream): void {
    if (!stream.tunnel) this.credit(stream.deafen());
  }

  protected override idle(id: number): boolean {
    return id > this.lastPeerStream || (id & 1) === 0;
  }

  protected override headerBlock(block: HeaderBlock): void {
    const { stream: id, endStream, selfDependent } = block;
    const known = this.streams.get(id);
    if (known !== undefined) {
      if (this.decode(BlockKind.Trailers, block)) this.trailers(known, endStream);
      return;
    }
    if ((id & 1) === 0) {
      this.fail(ErrorCode.ProtocolError, 'http2.even_stream_id');
      return;
    }
    if (id <= this.lastPeerStream && !this.abandoned.has(id)) {
      this.fail(ErrorCode.StreamClosed, 'http2.stream_closed');
      return;
    }
    // What nobody wants is decoded all the same, or the tables of the two ends would no longer agree.
    if (!this.decode(BlockKind.Request, block) || id <= this.lastPeerStream) return;
    this.lastPeerStream = id;
    if (id > this.#lastServed) {
      this.abandoned.add(id);
      return;
    }
    this.constraints.opened++;
    if (selfDependent) this.#refuse(id, ErrorCode.ProtocolError);
    else if (this.streams.size >= this.options.maxConcurrentStreams) this.#refuse(id, ErrorCode.RefusedStream);
    else this.#request(id, endStream);
  }

  #refuse(id: number, code: ErrorCode): void {
    this.writer.rstStream(id, code);
    this.abandoned.add(id);
  }

  /** The request that was decoded last. */
  #request(id: number, endStream: boolean): void {
    const { message, options } = this;
    const stream = new Http2Stream(this, DEAF, id, this.peer.initialWindowSize, options.initialStreamWindowSize);
    stream.headersReceived = true;
    stream.remoteEnd = endStream;
    if (options.now !== undefined) stream.openedAt = options.now();
    this.streams.set(id, stream);
    stream.handler = this.#callbacks.newStream(stream);
    if (!message.finish()) {
      this.refuseMessage(stream);
      return;
    }
    const { headers, contentLength } = message;
    if (endStream && contentLength > 0) {
      this.malformed(stream, Details.MessagingRule);
      return;
    }
    stream.contentLength = contentLength;
    stream.tunnel = headers.method === 'CONNECT';
    stream.handler.onHeaders(headers, endStream);
  }

  override startHeaders(_stream: Http2Stream, _headers: Headers): boolean {
    return true;
  }

  override localEnded(stream: Http2Stream): void {
    if (stream.closed) return;
    if (stream.remoteEnd) {
      if (!stream.tunnel || !stream.heldComplete) this.close(stream, undefined);
    } else if (!stream.tunnel || stream.handler === DEAF) this.close(stream, ErrorCode.NoError);
  }

  override remoteEnded(stream: Http2Stream): void {
    if (stream.localSent) this.close(stream, undefined);
  }

  override resetStream(stream: Http2Stream, reason: ResetReason): void {
    if (reason === ResetReason.LocalReset && stream.localEnd && !stream.localSent) {
      // The response is complete and only waits for the peer to read: it leaves before the stream does.
      this.credit(stream.deafen());
      return;
    }
    super.resetStream(stream, reason);
  }

  protected override resetCode(stream: Http2Stream, reason: ResetReason): ErrorCode {
    if (reason === ResetReason.ProtocolError) return ErrorCode.ProtocolError;
    const refused = reason === ResetReason.RemoteRefused || reason === ResetReason.Overflow;
    if (refused && !stream.headersSent) return ErrorCode.RefusedStream;
    return stream.localSent ? ErrorCode.NoError : ErrorCode.InternalError;
  }

  protected override notePrematureEnd(stream: Http2Stream): boolean {
    return stream.headersSent || this.constraints.notePrematureReset(stream.openedAt);
  }

  override goAwayReceived(_lastStream: number, _code: number): void {
    // It is about streams that we would open, and we open none.
  }

  protected override streamClosed(): void {
    this.#checkDone();
  }

  #checkDone(): void {
    if (this.#lastServed === MAX_31_BITS || this.streams.size > 0 || this.dead || this.#doneTold) return;
    this.#doneTold = true;
    this.#callbacks.onConnectionDone();
  }

  protected override connectionFailed(details: string): void {
    this.#callbacks.onConnectionError(details);
  }
}
