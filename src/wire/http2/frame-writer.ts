import { latin1Slice } from '../../base/bytes.ts';
import type { Headers } from '../headers.ts';
import { ByteBuffer } from '../hpack/byte-buffer.ts';
import type { HpackEncoder } from '../hpack/encoder.ts';
import type { Output } from '../http.ts';
import { DEFAULT_MAX_FRAME_SIZE, Flag, FRAME_HEADER_SIZE, FrameType } from './constants.ts';

/** Bodies up to this size are copied behind their frame's header; larger ones are written as they are. */
const JOIN = 2048;
/** Larger frames would save little and keep other streams waiting, whatever the peer allows. */
const LARGEST_FRAME = 65536;

/** Where frames are put together: writing is synchronous, so one is enough for all connections. */
const scratch = new ByteBuffer(16384);

/** Writes frames (RFC 9113 section 6) and counts those that wait for a peer that does not read. */
export class FrameWriter {
  readonly #output: Output;
  #maxFrameSize = DEFAULT_MAX_FRAME_SIZE;
  /** The Output piles up: what is written now waits. */
  #blocked = false;
  /** Frames that wait, and those of them that are no DATA or HEADERS. */
  waitingFrames = 0;
  waitingControlFrames = 0;
  /** DATA frames ever written. */
  dataFrames = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  set blocked(blocked: boolean) {
    this.#blocked = blocked;
    this.waitingFrames = 0;
    this.waitingControlFrames = 0;
  }

  /** The most that a frame may carry to this peer. */
  get maxFrameSize(): number {
    return this.#maxFrameSize;
  }

  /** The peer's `SETTINGS_MAX_FRAME_SIZE`. */
  set maxFrameSize(size: number) {
    this.#maxFrameSize = Math.min(size, LARGEST_FRAME);
  }

  #flush(): void {
    this.#output.writeLatin1(latin1Slice(scratch.bytes, 0, scratch.length));
  }

  /** HEADERS, and CONTINUATION if they are many. */
  headers(stream: number, headers: Headers, endStream: boolean, encoder: HpackEncoder): void {
    if (this.#blocked) this.waitingFrames++;
    scratch.length = FRAME_HEADER_SIZE;
    encoder.encode(headers, scratch);
    const length = scratch.length - FRAME_HEADER_SIZE;
    const end = endStream ? Flag.EndStream : 0;
    if (length <= this.#maxFrameSize) {
      frameHeader(scratch.bytes, length, FrameType.Headers, Flag.EndHeaders | end, stream);
      this.#flush();
    } else {
      this.#fragments(stream, end, length);
    }
  }

  #fragments(stream: number, endFlag: number, length: number): void {
    const { bytes } = scratch;
    const header = Buffer.alloc(FRAME_HEADER_SIZE);
    let text = '';
    for (let at = 0; at < length; at += this.#maxFrameSize) {
      const size = Math.min(this.#maxFrameSize, length - at);
      const flags = (at === 0 ? endFlag : 0) | (at + size === length ? Flag.EndHeaders : 0);
      frameHeader(header, size, at === 0 ? FrameType.Headers : FrameType.Continuation, flags, stream);
      const from = FRAME_HEADER_SIZE + at;
      text += latin1Slice(header, 0, FRAME_HEADER_SIZE) + latin1Slice(bytes, from, from + size);
    }
    this.#output.writeLatin1(text);
  }

  /** DATA with `start` to `end` of a chunk, which is no more than {@link maxFrameSize}. */
  data(stream: number, chunk: Uint8Array, start: number, end: number, endStream: boolean): void {
    if (this.#blocked) this.waitingFrames++;
    this.dataFrames++;
    const length = end - start;
    const whole = start === 0 && end === chunk.length;
    scratch.length = FRAME_HEADER_SIZE;
    if (length <= JOIN) {
      scratch.bytes.set(whole ? chunk : chunk.subarray(start, end), FRAME_HEADER_SIZE);
      scratch.length += length;
    }
    frameHeader(scratch.bytes, length, FrameType.Data, endStream ? Flag.EndStream : 0, stream);
    this.#flush();
    if (length > JOIN) this.#output.write(whole ? chunk : chunk.subarray(start, end));
  }

  rstStream(stream: number, code: number): void {
    this.#control(FrameType.RstStream, 0, stream, 4);
    scratch.bytes.writeUInt32BE(code, FRAME_HEADER_SIZE);
    this.#flush();
  }

  windowUpdate(stream: number, increment: number): void {
    this.#control(FrameType.WindowUpdate, 0, stream, 4);
    scratch.bytes.writeUInt32BE(increment, FRAME_HEADER_SIZE);
    this.#flush();
  }

  settings(settings: readonly (readonly [number, number])[]): void {
    this.#control(FrameType.Settings, 0, 0, settings.length * 6);
    let at = FRAME_HEADER_SIZE;
    for (const [identifier, value] of settings) {
      at = scratch.bytes.writeUInt16BE(identifier, at);
      at = scratch.bytes.writeUInt32BE(value, at);
    }
    this.#flush();
  }

  settingsAck(): void {
    this.#control(FrameType.Settings, Flag.Ack, 0, 0);
    this.#flush();
  }

  /** PING with the eight octets that are at `at`. */
  ping(ack: boolean, payload: Uint8Array, at: number): void {
    this.#control(FrameType.Ping, ack ? Flag.Ack : 0, 0, 8);
    for (let i = 0; i < 8; i++) scratch.bytes[FRAME_HEADER_SIZE + i] = payload[at + i];
    this.#flush();
  }

  goAway(lastStream: number, code: number): void {
    this.#control(FrameType.GoAway, 0, 0, 8);
    scratch.bytes.writeUInt32BE(lastStream, FRAME_HEADER_SIZE);
    scratch.bytes.writeUInt32BE(code, FRAME_HEADER_SIZE + 4);
    this.#flush();
  }

  #control(type: number, flags: number, stream: number, length: number): void {
    if (this.#blocked) {
      this.waitingFrames++;
      this.waitingControlFrames++;
    }
    scratch.length = 0;
    scratch.reserve(FRAME_HEADER_SIZE + length);
    scratch.length = FRAME_HEADER_SIZE + length;
    frameHeader(scratch.bytes, length, type, flags, stream);
  }
}

function frameHeader(bytes: Uint8Array, length: number, type: number, flags: number, stream: number): void {
  bytes[0] = length >>> 16;
  bytes[1] = length >>> 8;
  bytes[2] = length;
  bytes[3] = type;
  bytes[4] = flags;
  bytes[5] = stream >>> 24;
  bytes[6] = stream >>> 16;
  bytes[7] = stream >>> 8;
  bytes[8] = stream;
}
