import { DEFAULT_MAX_FRAME_SIZE, Flag, MAX_31_BITS } from './constants.ts';
import { type ConnectionError, flood, frameSizeError, protocolError } from './errors.ts';
import { Details } from './message-reader.ts';

/** Pieces of a block that need no reason. */
const FEW_PIECES = 8;
const EMPTY = Buffer.alloc(0);

/**
 * The header block that is coming in: HEADERS, and the CONTINUATION frames that complete it (RFC 9113 sections 4.3, 6.2
 * and 6.10).
 */
export class HeaderBlock {
  readonly #limit: number;
  #pieces: Buffer[] = [];
  #size = 0;
  stream = 0;
  endStream = false;
  /** It declares the stream to depend on itself (RFC 7540 section 5.3.1). */
  selfDependent = false;
  /** CONTINUATION has to come next, and nothing else. */
  open = false;
  /** The block itself, once it is whole: `start` to `end` of `bytes`, which are not to be kept. */
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;

  /** A block that is too large is refused, but read as long as it may be a mistake; no longer (CVE-2024-27316). */
  constructor(maxHeadBytes: number) {
    this.#limit = 2 * maxHeadBytes + DEFAULT_MAX_FRAME_SIZE;
  }

  /** The payload of a HEADERS frame. */
  headers(flags: number, id: number, bytes: Buffer, from: number, to: number): ConnectionError | undefined {
    let start = from;
    let end = to;
    if (id === 0) return protocolError('http2.headers_on_stream_0');
    if (flags & Flag.Padded) {
      if (start === end) return frameSizeError('http2.padding_without_length');
      end -= bytes[start++];
    }
    this.selfDependent = false;
    if (flags & Flag.Priority) {
      if (to - start < 5) return frameSizeError('http2.priority_cut_short');
      this.selfDependent = (bytes.readUInt32BE(start) & MAX_31_BITS) === id;
      start += 5;
    }
    if (end < start) return protocolError('http2.padding_too_long');
    this.stream = id;
    this.endStream = (flags & Flag.EndStream) !== 0;
    this.open = (flags & Flag.EndHeaders) === 0;
    if (this.open) {
      this.#pieces = [Buffer.from(bytes.subarray(start, end))];
      this.#size = end - start;
    } else {
      this.bytes = bytes;
      this.start = start;
      this.end = end;
    }
    return undefined;
  }

  /** The payload of a CONTINUATION frame. */
  continuation(flags: number, bytes: Buffer, start: number, end: number): ConnectionError | undefined {
    if (!this.open) return protocolError('http2.unexpected_continuation');
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.#size += end - start;
    if (this.#size > this.#limit || this.#pieces.length > FEW_PIECES + (this.#limit >> 10)) {
      return flood(Details.HeadTooLarge);
    }
    if (flags & Flag.EndHeaders) {
      this.open = false;
      this.bytes = Buffer.concat(this.#pieces);
      this.start = 0;
      this.end = this.bytes.length;
      this.#pieces = [];
    }
    return undefined;
  }

  /** To be called when the block has been decoded: lets go of its bytes. */
  done(): void {
    this.bytes = EMPTY;
  }
}
