import { DEFAULT_MAX_FRAME_SIZE, ErrorCode, Flag, FRAME_HEADER_SIZE, FrameType, PREFACE } from './constants.ts';

/** What a {@link FrameReader} tells the connection that owns it. */
export interface FrameSink {
  /**
   * The header of a frame; returns false to hear nothing more. The payload follows in one `frame`, of DATA as it comes
   * in `data`, of unknown types not at all.
   */
  frameHeader(type: number, flags: number, stream: number, length: number): boolean;
  /** A whole payload: `start` to `end` of `bytes`, which are not to be kept. */
  frame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void;
  /** A piece of a DATA frame's data, without padding; `last` if none follows. */
  data(bytes: Buffer, start: number, end: number, last: boolean): void;
  /** The bytes are no frames: the connection cannot go on. */
  fail(code: ErrorCode, details: string): void;
}

const State = { Preface: 0, Header: 1, Payload: 2, PadLength: 3, Data: 4, Skip: 5, Dead: 6 } as const;
type State = (typeof State)[keyof typeof State];

const PREFACE_BYTES = Buffer.from(PREFACE, 'latin1');

/** Cuts the bytes of a connection into frames (RFC 9113 section 4), whatever pieces they come in. */
export class FrameReader {
  readonly #sink: FrameSink;
  #state: State;
  /** The start of a frame header or a payload whose rest has not come. */
  #partial: Buffer | undefined = undefined;
  #filled = 0;
  #type = 0;
  #flags = 0;
  #stream = 0;
  /** Octets of the payload, or of the data in it, that are still to come. */
  #remaining = 0;
  #padding = 0;

  constructor(sink: FrameSink, expectPreface: boolean) {
    this.#sink = sink;
    this.#state = expectPreface ? State.Preface : State.Header;
  }

  /** Nothing that comes from here on is looked at. */
  kill(): void {
    this.#state = State.Dead;
    this.#partial = undefined;
  }

  receive(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.#state) {
        case State.Header:
          at = this.#readHeader(bytes, at, end);
          break;
        case State.Payload:
          at = this.#readPayload(bytes, at, end);
          break;
        case State.Data:
          at = this.#readData(bytes, at, end);
          break;
        case State.Skip:
          at = this.#skip(at, end);
          break;
        case State.PadLength:
          this.#readPadLength(bytes[at++]);
          break;
        case State.Preface:
          at = this.#readPreface(bytes, at, end);
          break;
        default:
          return;
      }
    }
  }

  #readPreface(bytes: Buffer, start: number, end: number): number {
    const count = Math.min(end - start, PREFACE_BYTES.length - this.#filled);
    for (let i = 0; i < count; i++) {
      if (bytes[start + i] !== PREFACE_BYTES[this.#filled + i]) {
        this.#sink.fail(ErrorCode.ProtocolError, 'http2.bad_preface');
        return end;
      }
    }
    this.#filled += count;
    if (this.#filled === PREFACE_BYTES.length) {
      this.#filled = 0;
      this.#state = State.Header;
    }
    return start + count;
  }

  #readHeader(bytes: Buffer, start: number, end: number): number {
    if (this.#filled === 0 && end - start >= FRAME_HEADER_SIZE) {
      this.#startFrame(bytes, start);
      return start + FRAME_HEADER_SIZE;
    }
    const partial = (this.#partial ??= Buffer.allocUnsafe(FRAME_HEADER_SIZE));
    const count = Math.min(end - start, FRAME_HEADER_SIZE - this.#filled);
    bytes.copy(partial, this.#filled, start, start + count);
    this.#filled += count;
    if (this.#filled === FRAME_HEADER_SIZE) {
      this.#filled = 0;
      this.#partial = undefined;
      this.#startFrame(partial, 0);
    }
    return start + count;
  }

  #startFrame(bytes: Buffer, at: number): void {
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    const type = bytes[at + 3];
    const flags = bytes[at + 4];
    const stream = ((bytes[at + 5] & 127) << 24) | (bytes[at + 6] << 16) | (bytes[at + 7] << 8) | bytes[at + 8];
    if (length > DEFAULT_MAX_FRAME_SIZE) {
      this.#sink.fail(ErrorCode.FrameSizeError, 'http2.frame_too_large');
      return;
    }
    this.#type = type;
    this.#flags = flags;
    this.#stream = stream;
    this.#remaining = length;
    this.#padding = 0;
    if (!this.#sink.frameHeader(type, flags, stream, length)) {
      this.kill();
      return;
    }
    // The sink may have ended the connection while it said that it wants to hear more.
    if (this.#state === State.Dead) return;
    if (type === FrameType.Data) {
      if (flags & Flag.Padded) this.#startPadded(length);
      else if (length === 0) this.#sink.data(bytes, 0, 0, true);
      else this.#state = State.Data;
    } else if (type > FrameType.Continuation) {
      if (length > 0) this.#state = State.Skip;
    } else if (length === 0) {
      this.#sink.frame(type, flags, stream, bytes, 0, 0);
    } else {
      this.#state = State.Payload;
    }
  }

  #readPayload(bytes: Buffer, start: number, end: number): number {
    const remaining = this.#remaining;
    const partial = this.#partial;
    if (partial === undefined) {
      if (end - start >= remaining) {
        this.#state = State.Header;
        this.#sink.frame(this.#type, this.#flags, this.#stream, bytes, start, start + remaining);
        return start + remaining;
      }
      this.#partial = Buffer.allocUnsafe(remaining);
      this.#filled = bytes.copy(this.#partial, 0, start, end);
      return end;
    }
    const count = Math.min(end - start, partial.length - this.#filled);
    bytes.copy(partial, this.#filled, start, start + count);
    this.#filled += count;
    if (this.#filled === partial.length) {
      this.#filled = 0;
      this.#partial = undefined;
      this.#state = State.Header;
      this.#sink.frame(this.#type, this.#flags, this.#stream, partial, 0, partial.length);
    }
    return start + count;
  }

  #startPadded(length: number): void {
    if (length === 0) this.#sink.fail(ErrorCode.FrameSizeError, 'http2.padding_without_length');
    else this.#state = State.PadLength;
  }

  #readPadLength(padding: number): void {
    this.#remaining -= 1 + padding;
    if (this.#remaining < 0) {
      this.#sink.fail(ErrorCode.ProtocolError, 'http2.padding_too_long');
      return;
    }
    this.#padding = padding;
    if (this.#remaining > 0) this.#state = State.Data;
    else this.#endData(EMPTY, 0, 0);
  }

  #readData(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#remaining);
    this.#remaining -= stop - start;
    if (this.#remaining === 0) this.#endData(bytes, start, stop);
    else this.#sink.data(bytes, start, stop, false);
    return stop;
  }

  #endData(bytes: Buffer, start: number, end: number): void {
    this.#remaining = this.#padding;
    this.#state = this.#remaining > 0 ? State.Skip : State.Header;
    this.#sink.data(bytes, start, end, true);
  }

  #skip(start: number, end: number): number {
    const stop = Math.min(end, start + this.#remaining);
    this.#remaining -= stop - start;
    if (this.#remaining === 0) this.#state = State.Header;
    return stop;
  }
}

const EMPTY = Buffer.alloc(0);
