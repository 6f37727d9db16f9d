import type { Headers } from '../headers.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import { type Output, ResetReason } from '../http.ts';
import { type ConnectionFrameEvents, ConnectionFrames } from './connection-frames.ts';
import { ErrorCode, Flag, FrameType, MAX_31_BITS } from './constants.ts';
import { Constraints } from './constraints.ts';
import { type ConnectionError, flood, flowControlError, frameSizeError, protocolError } from './errors.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { HeaderBlock } from './header-block.ts';
import { InboundFlow } from './inbound-flow.ts';
import { type BlockKind, Details, MessageReader } from './message-reader.ts';
import type { Http2Options } from './options.ts';
import { OutboundFlow } from './outbound-flow.ts';
import { RecentIds } from './recent-ids.ts';
import { localSettings, PeerSettings } from './settings.ts';
import type { Http2Stream, StreamOwner } from './stream.ts';

const EMPTY = new Uint8Array(0);
/** How many streams to remember that were given up: as many as can be open, within reason. */
const MIN_ABANDONED = 100;
const MAX_ABANDONED = 10000;
const FLOOD = 'http2.outbound_frames_flood';
const RESET_FLOOD = 'http2.premature_resets_flood';
const EMPTY_FLOOD = 'http2.inbound_empty_frames_flood';

/**
 * What both ends of an HTTP/2 connection have in common: frames in, frames out, windows, settings, errors.
 *
 * A frame goes from {@link FrameReader} to the method for its type here, from there to the {@link Http2Stream} or, for
 * header blocks, to the subclass, which knows what may come when. Errors of the connection end in {@link fail}, errors
 * of a stream in {@link failStream}.
 */
export abstract class Http2Connection implements FrameSink, StreamOwner, ConnectionFrameEvents {
  readonly protocol = 'HTTP/2';
  /** Flow control bounds what the peer can send, so that there is never a need to stop reading. */
  readonly wantsPause = false;
  readonly options: Http2Options;
  protected readonly writer: FrameWriter;
  protected readonly reader: FrameReader;
  protected readonly message: MessageReader;
  protected readonly constraints: Constraints;
  protected readonly peer: PeerSettings;
  protected readonly streams = new Map<number, Http2Stream>();
  /** Streams that we gave up while the peer could still be sending: what comes for them is nobody's fault. */
  protected readonly abandoned: RecentIds;
  readonly #decoder: HpackDecoder;
  readonly #encoder: HpackEncoder;
  readonly #flow: OutboundFlow;
  readonly #inbound: InboundFlow;
  readonly #frames: ConnectionFrames;
  protected dead = false;

  /** The DATA frame that is coming in: its stream unless nobody wants it, its end flag, its octets in and to come. */
  #dataStream: Http2Stream | undefined = undefined;
  #dataEnd = false;
  #dataFrameLength = 0;
  #dataReceived = 0;

  readonly #block: HeaderBlock;

  constructor(output: Output, options: Http2Options, server: boolean) {
    this.options = options;
    this.writer = new FrameWriter(output);
    this.reader = new FrameReader(this, server);
    this.message = new MessageReader(options);
    this.constraints = new Constraints(options);
    this.#block = new HeaderBlock(options.maxHeadBytes);
    this.abandoned = new RecentIds(Math.min(Math.max(options.maxConcurrentStreams, MIN_ABANDONED), MAX_ABANDONED));
    this.peer = new PeerSettings(!server);
    this.#decoder = new HpackDecoder(Math.max(options.hpackTableSize, 4096));
    this.#encoder = new HpackEncoder(options.hpackTableSize);
    this.#flow = new OutboundFlow(this.writer);
    this.writer.settings(localSettings(options, server));
    this.#inbound = new InboundFlow(this.writer, options);
    const { writer, constraints, peer, streams } = this;
    const parts = { options, writer, constraints, peer, streams };
    this.#frames = new ConnectionFrames(
      { ...parts, decoder: this.#decoder, encoder: this.#encoder, flow: this.#flow },
      this,
    );
  }

  /** The highest stream id that the peer has used; what is above is idle. */
  protected abstract readonly lastPeerStream: number;
  /** Whether a stream of this id was never used. */
  protected abstract idle(id: number): boolean;
  /** A header block is whole. Has to be decoded whatever becomes of it, or the tables no longer agree. */
  protected abstract headerBlock(block: HeaderBlock): void;
  /** The code that tells the peer why. */
  protected abstract resetCode(stream: Http2Stream, reason: ResetReason): ErrorCode;
  abstract goAwayReceived(lastStream: number, code: number): void;
  abstract holdsAnswer(stream: Http2Stream): boolean;
  abstract heldAnswerEnded(stream: Http2Stream): void;
  abstract startHeaders(stream: Http2Stream, headers: Headers): boolean;
  abstract localEnded(stream: Http2Stream): void;
  abstract remoteEnded(stream: Http2Stream): void;
  /** What came was read to its end. */
  protected abstract allRead(): void;
  /** The stream left the books. */
  protected abstract streamClosed(): void;
  protected abstract connectionFailed(details: string): void;
  /** The peer ended the stream before its time. Returns false if it has done that too often. */
  protected abstract notePrematureEnd(stream: Http2Stream): boolean;

  get activeStreams(): number {
    return this.streams.size;
  }

  get outputBlocked(): boolean {
    return this.writer.blocked;
  }

  receive(bytes: Buffer, start: number, end: number): void {
    this.reader.receive(bytes, start, end);
    this.allRead();
    if (!this.constraints.outboundFine(this.writer)) this.fail(ErrorCode.EnhanceYourCalm, FLOOD);
  }

  connectionClosed(reason: ResetReason, details: string): void {
    this.dead = true;
    this.reader.kill();
    this.#frames.forgetPings();
    this.closeAll(reason, details);
  }

  outputBackpressure(high: boolean): void {
    if (this.dead) return;
    this.writer.blocked = high;
    if (!high) this.#flow.flush();
    for (const stream of this.streams.values()) stream.updateBackpressure();
  }

  /** Sends a PING; `onAck` is called when its answer comes, never if the connection ends before. */
  ping(onAck: () => void): void {
    if (!this.dead) this.#frames.sendPing(onAck);
  }

  /** Ends the connection for a breach of the protocol: GOAWAY, all streams reset, the owner told. */
  fail(code: ErrorCode, details: string): void {
    if (this.dead) return;
    this.dead = true;
    this.reader.kill();
    this.writer.goAway(this.lastPeerStream, code);
    this.closeAll(ResetReason.ProtocolError, details);
    this.connectionFailed(details);
  }

  protected closeAll(reason: ResetReason, details: string): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    this.#flow.clear();
    for (const stream of streams) {
      if (stream.closed) continue;
      stream.closed = true;
      stream.drop();
      stream.handler.onReset(reason, details);
    }
  }

  /** Ends one stream for a breach of the protocol by the peer. */
  protected failStream(stream: Http2Stream, code: ErrorCode, details: string): void {
    const calm = this.notePrematureEnd(stream);
    this.endStream(stream, code, ResetReason.ProtocolError, details);
    if (!calm) this.fail(ErrorCode.EnhanceYourCalm, RESET_FLOOD);
  }

  /** A malformed message ends its stream or the connection, as the options say (RFC 9113 section 8.1.1). */
  protected malformed(stream: Http2Stream, details: string): void {
    if (this.options.streamErrorOnInvalidMessage) {
      this.failStream(stream, ErrorCode.ProtocolError, details);
      return;
    }
    this.#remove(stream, undefined);
    stream.handler.onReset(ResetReason.ProtocolError, details);
    this.fail(ErrorCode.ProtocolError, details);
  }

  /** The message that was decoded last cannot be used: it broke a limit of ours, or a rule. */
  protected refuseMessage(stream: Http2Stream): void {
    const { unwanted, problem } = this.message;
    if (unwanted) this.endStream(stream, ErrorCode.InternalError, ResetReason.Overflow, problem);
    else this.malformed(stream, problem || Details.MessagingRule);
  }

  /** Ends a stream before its time, with RST_STREAM if there is a code: the handler hears why. */
  protected endStream(stream: Http2Stream, code: ErrorCode | undefined, reason: ResetReason, details: string): void {
    this.#remove(stream, code);
    stream.handler.onReset(reason, details);
    this.streamClosed();
  }

  /** Ends a stream of which the handler knows, or need not know. */
  protected close(stream: Http2Stream, code: ErrorCode | undefined): void {
    if (stream.closed) return;
    this.#remove(stream, code);
    this.streamClosed();
  }

  /** Takes a stream off the books. */
  #remove(stream: Http2Stream, code: ErrorCode | undefined): void {
    stream.closed = true;
    this.streams.delete(stream.id);
    if (stream.bufferedBytes > 0) this.#flow.remove(stream);
    if (code !== undefined) {
      this.writer.rstStream(stream.id, code);
      this.abandoned.add(stream.id);
    }
    this.credit(stream.drop());
  }

  resetStream(stream: Http2Stream, reason: ResetReason): void {
    this.close(stream, this.resetCode(stream, reason));
  }

  writeHeaders(stream: Http2Stream, headers: Headers, end: boolean): void {
    if (!this.dead) this.writer.headers(stream.id, headers, end, this.#encoder);
  }

  writeData(stream: Http2Stream, chunk: Uint8Array, start: number, limit: number, end: boolean): number {
    return this.#flow.write(stream, chunk, start, limit, end);
  }

  dataWaits(stream: Http2Stream): void {
    this.#flow.add(stream);
  }

  frameHeader(type: number, flags: number, stream: number, length: number): boolean {
    if (this.#block.open && (type !== FrameType.Continuation || stream !== this.#block.stream)) {
      this.fail(ErrorCode.ProtocolError, 'http2.continuation_expected');
      return false;
    }
    if (!this.#frames.settingsSeen && (type !== FrameType.Settings || flags & Flag.Ack)) {
      this.fail(ErrorCode.ProtocolError, 'http2.settings_expected');
      return false;
    }
    if (type === FrameType.Data) {
      this.#dataHeader(stream, flags, length);
    } else if (type === FrameType.Headers || type === FrameType.Continuation) {
      const empty = length === 0 && (flags & Flag.EndStream) === 0;
      if (!this.constraints.noteFrame(empty)) this.fail(ErrorCode.EnhanceYourCalm, EMPTY_FLOOD);
    }
    return !this.dead;
  }

  frame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    let broken: ConnectionError | undefined;
    switch (type) {
      case FrameType.Headers:
        broken = this.#block.headers(flags, stream, bytes, start, end);
        if (broken === undefined && !this.#block.open) this.#blockComplete();
        break;
      case FrameType.Continuation:
        broken = this.#block.continuation(flags, bytes, start, end);
        if (broken === undefined && !this.#block.open) this.#blockComplete();
        break;
      case FrameType.WindowUpdate:
        broken = this.#windowUpdate(stream, bytes, start, end - start);
        break;
      case FrameType.RstStream:
        broken = this.#rstStream(stream, bytes, start, end - start);
        break;
      case FrameType.Settings:
        broken = this.#frames.settings(flags, stream, bytes, start, end);
        break;
      case FrameType.Ping:
        broken = this.#frames.ping(flags, stream, bytes, start, end - start);
        break;
      case FrameType.GoAway:
        broken = this.#frames.goAway(stream, bytes, start, end - start);
        break;
      case FrameType.Priority:
        broken = this.#priority(stream, bytes, start, end - start);
        break;
      default:
        // Nobody was allowed to push anything.
        broken = protocolError('http2.unexpected_push_promise');
    }
    if (broken !== undefined) this.fail(broken.code, broken.details);
  }

  #blockComplete(): void {
    this.headerBlock(this.#block);
    this.#block.done();
  }

  // DATA (section 6.1)

  #dataHeader(id: number, flags: number, length: number): void {
    this.#dataStream = undefined;
    this.#dataEnd = (flags & Flag.EndStream) !== 0;
    this.#dataFrameLength = length;
    this.#dataReceived = 0;
    if (id === 0 || this.idle(id)) {
      this.fail(ErrorCode.ProtocolError, 'http2.data_on_idle_stream');
      return;
    }
    if (!this.#inbound.take(length)) {
      this.fail(ErrorCode.FlowControlError, 'http2.connection_window_exceeded');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (!this.abandoned.has(id)) this.writer.rstStream(id, ErrorCode.StreamClosed);
    } else if (stream.remoteEnd) {
      this.fail(ErrorCode.StreamClosed, 'http2.data_after_end');
      return;
    } else if (!stream.headersReceived) {
      this.malformed(stream, Details.MessagingRule);
    } else if ((stream.receiveWindow -= length) < 0) {
      this.failStream(stream, ErrorCode.FlowControlError, 'http2.stream_window_exceeded');
    } else {
      this.#dataStream = stream;
      return;
    }
    this.credit(length);
  }

  data(bytes: Buffer, start: number, end: number, last: boolean): void {
    const size = end - start;
    this.#dataReceived += size;
    const stream = this.#dataStream;
    if (last) {
      // As in Envoy, what comes for a stream that is over does not count: it costs nobody anything.
      const empty = stream !== undefined && this.#dataReceived === 0 && !this.#dataEnd;
      if (!this.constraints.noteFrame(empty)) {
        this.fail(ErrorCode.EnhanceYourCalm, EMPTY_FLOOD);
        return;
      }
    }
    if (stream === undefined) return;
    const padding = last ? this.#dataFrameLength - this.#dataReceived : 0;
    if (stream.closed) {
      this.credit(size + padding);
      return;
    }
    if (padding > 0) this.consume(stream, padding);
    const endStream = last && this.#dataEnd;
    stream.received += size;
    const { contentLength, received } = stream;
    if (contentLength >= 0 && (received > contentLength || (endStream && received < contentLength))) {
      this.credit(size);
      // Unlike other malformed messages this one ends no connection, as in Envoy: where its frames end is not in doubt.
      this.failStream(stream, ErrorCode.ProtocolError, Details.MessagingRule);
      return;
    }
    if (endStream) stream.remoteEnd = true;
    if (size > 0) stream.takeData(this.options.keepBody(bytes, start, end), endStream);
    else if (endStream) stream.takeData(EMPTY, true);
  }

  consume(stream: Http2Stream, octets: number): void {
    this.credit(octets);
    stream.consumed += octets;
    if (!stream.closed && !stream.remoteEnd && !stream.paused && !this.dead) this.#inbound.creditStream(stream);
  }

  /** Octets that counted for the connection are done with: gives them back to the peer, once it is worth a frame. */
  protected credit(octets: number): void {
    if (!this.dead) this.#inbound.credit(octets);
  }

  settingsChanged(): void {
    this.#flow.flush();
  }

  /** Decodes a header block into {@link message}. Returns false if that was the end of the connection. */
  protected decode(kind: BlockKind, block: HeaderBlock): boolean {
    this.message.begin(kind);
    if (this.#decoder.decode(block.bytes, block.start, block.end, this.message)) return true;
    this.fail(ErrorCode.CompressionError, 'http2.compression_error');
    return false;
  }

  /** Trailers, for a stream of either side. The block has been decoded. */
  protected trailers(stream: Http2Stream, endStream: boolean): void {
    if (stream.remoteEnd) {
      this.fail(ErrorCode.StreamClosed, 'http2.headers_after_end');
      return;
    }
    const { message } = this;
    const fine = message.finish();
    const asPromised = (length: number) => length < 0 || length === stream.received;
    const promisedTwice = stream.contentLength >= 0 && message.contentLength >= 0;
    const asLong = !promisedTwice && asPromised(stream.contentLength) && asPromised(message.contentLength);
    if (!fine || !endStream || !asLong) {
      this.refuseMessage(stream);
    } else {
      stream.remoteEnd = true;
      stream.takeTrailers(message.headers);
    }
  }

  // The other frames of streams (sections 6.3, 6.4, 6.9): each method returns what ends the connection, if anything does.

  #priority(id: number, bytes: Buffer, at: number, length: number): ConnectionError | undefined {
    if (id === 0) return protocolError('http2.priority_on_stream_0');
    if (!this.constraints.notePriority()) return flood('http2.inbound_priority_frames_flood');
    if (length !== 5) return frameSizeError('http2.priority_size');
    if ((bytes.readUInt32BE(at) & MAX_31_BITS) !== id) return undefined;
    const stream = this.streams.get(id);
    if (stream === undefined) return protocolError('http2.self_dependency');
    this.failStream(stream, ErrorCode.ProtocolError, 'http2.self_dependency');
    return undefined;
  }

  #rstStream(id: number, bytes: Buffer, at: number, length: number): ConnectionError | undefined {
    if (length !== 4) return frameSizeError('http2.rst_stream_size');
    if (id === 0 || this.idle(id)) return protocolError('http2.rst_stream_on_idle_stream');
    const stream = this.streams.get(id);
    if (stream === undefined) return undefined;
    const code = bytes.readUInt32BE(at);
    if (code === ErrorCode.NoError && stream.heldComplete) {
      // The whole message is here and is still to be read; the peer only wants to hear nothing more.
      stream.dropQueue();
      stream.localEnd = true;
      stream.localSent = true;
      return undefined;
    }
    const calm = this.notePrematureEnd(stream);
    if (code === ErrorCode.RefusedStream) {
      this.endStream(stream, undefined, ResetReason.RemoteRefused, 'http2.remote_refuse');
    } else {
      this.endStream(stream, undefined, ResetReason.RemoteReset, 'http2.remote_reset');
    }
    return calm ? undefined : flood(RESET_FLOOD);
  }

  #windowUpdate(id: number, bytes: Buffer, at: number, length: number): ConnectionError | undefined {
    if (length !== 4) return frameSizeError('http2.window_update_size');
    if (id !== 0 && this.idle(id)) return protocolError('http2.window_update_on_idle_stream');
    if (!this.constraints.noteWindowUpdate(this.writer.dataFrames)) {
      return flood('http2.inbound_window_update_frames_flood');
    }
    const increment = bytes.readUInt32BE(at) & MAX_31_BITS;
    if (id === 0) {
      if (increment === 0) return protocolError('http2.window_update_of_0');
      return this.#flow.openConnection(increment) ? undefined : flowControlError('http2.window_overflow');
    }
    // RFC 9113 would leave the connection standing; Envoy, as it may, does not, whatever has become of the stream.
    if (increment === 0) return protocolError('http2.window_update_of_0');
    const stream = this.streams.get(id);
    if (stream === undefined) return undefined;
    if (!this.#flow.openStream(stream, increment)) {
      this.failStream(stream, ErrorCode.FlowControlError, 'http2.window_overflow');
    }
    return undefined;
  }
}
