import { latin1Slice } from '../../base/bytes.ts';
import { Headers } from '../headers.ts';
import type { MessageError } from '../http.ts';
import { TOKEN } from './characters.ts';
import { BAD_CHUNK, HEAD_TOO_LARGE, type Http1Options, parseTrailers, TRAILERS_TOO_LARGE } from './head.ts';

/** How the body after a head is delimited (RFC 9112 section 6.3). */
export const BodyKind = { None: 0, Fixed: 1, Chunked: 2, UntilClose: 3, Raw: 4 } as const;
export type BodyKind = (typeof BodyKind)[keyof typeof BodyKind];

/** What a {@link MessageReader} tells the codec that owns it. */
export interface ReaderSink {
  /** The first line of a head whose end has not come: says early if it cannot be one. Called once for a head. */
  startLine?(line: string): MessageError | undefined;
  /** The text of one head, from its first line to its empty line. */
  head(text: string): MessageError | undefined;
  /** The head was fine: announce it and say how the body is delimited. `bodyLength` counts for a fixed one. */
  beginBody(): BodyKind;
  readonly bodyLength: number;
  data(chunk: Uint8Array, end: boolean): void;
  trailers(trailers: Headers): void;
  /** The message is whole. The reader stands still until {@link MessageReader.next}. */
  complete(): void;
  fail(error: MessageError): void;
}

const State = {
  Head: 0,
  Fixed: 1,
  ChunkSize: 2,
  ChunkExtension: 3,
  ChunkSizeLineFeed: 4,
  ChunkData: 5,
  ChunkDataReturn: 6,
  ChunkDataLineFeed: 7,
  Trailers: 8,
  UntilClose: 9,
  Complete: 10,
  Dead: 11,
} as const;
type State = (typeof State)[keyof typeof State];

const EMPTY = new Uint8Array(0);
/** A head is decoded this much at a time, so that a large body behind it is not decoded as text. */
const HEAD_PIECE = 4096;
const MAX_CHUNK_EXTENSION = 4096;

/** Cuts the bytes of one direction of an HTTP/1 connection into messages. */
export class MessageReader {
  readonly #sink: ReaderSink;
  readonly #options: Http1Options;
  #state: State = State.Head;
  /** Start of a head or trailer section whose end has not come. */
  #partial = '';
  #startLineSeen = false;
  /** Bytes of body or chunk that are still to come. */
  #remaining = 0;
  #extensionBytes = 0;
  #sizeDigits = 0;
  /** The last piece of body: kept back until it is known whether it is the end, so that both travel together. */
  #held: Uint8Array | undefined = undefined;
  /** Bytes behind a complete message. */
  #rest: Buffer | undefined = undefined;

  constructor(sink: ReaderSink, options: Http1Options) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Whether there are bytes that wait for {@link next}. */
  get hasRest(): boolean {
    return this.#rest !== undefined;
  }

  /** No part of a message was read. */
  get idle(): boolean {
    return this.#state === State.Head && this.#partial === '';
  }

  /** Part of a head has come. */
  get begun(): boolean {
    return this.#state === State.Head && this.#partial !== '';
  }

  get dead(): boolean {
    return this.#state === State.Dead;
  }

  /** Nothing that comes from here on is looked at. */
  kill(): void {
    this.#state = State.Dead;
    this.#rest = undefined;
    this.#partial = '';
    this.#held = undefined;
  }

  /** The exchange is over: goes on to the next message, whose bytes may be here already. */
  next(): void {
    if (this.#state !== State.Complete) return;
    this.#state = State.Head;
    const rest = this.#rest;
    if (rest === undefined) return;
    this.#rest = undefined;
    this.receive(rest, 0, rest.length);
  }

  receive(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const state = this.#state;
      if (state === State.Head) at = this.#readHead(bytes, at, end);
      else if (state === State.Fixed || state === State.ChunkData) at = this.#readData(bytes, at, end);
      else if (state === State.Trailers) at = this.#readTrailers(bytes, at, end);
      else if (state === State.UntilClose) {
        this.#emit(this.#options.keepBody(bytes, at, end));
        break;
      } else if (state === State.Complete) {
        this.#keep(bytes, at, end);
        break;
      } else if (state === State.Dead) break;
      else at = this.#readChunkLine(bytes, at, end);
    }
    this.#flushHeld(false);
  }

  /** The peer sends no more. Returns false if that cut a message short. */
  receiveEnd(): boolean {
    if (this.#state === State.UntilClose) {
      this.#held ??= EMPTY;
      this.#flushHeld(true);
      this.#finish();
      return true;
    }
    return this.#state === State.Complete || this.#state === State.Dead || this.idle;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    const more = bytes.subarray(start, end);
    this.#rest = this.#rest === undefined ? Buffer.from(more) : Buffer.concat([this.#rest, more]);
  }

  #fail(error: MessageError): void {
    this.#flushHeld(false);
    if (this.#state === State.Dead) return;
    this.kill();
    this.#sink.fail(error);
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    const max = this.#options.maxHeadBytes;
    let from = start;
    if (this.#partial === '\r' && bytes[from] === 10) {
      this.#partial = '';
      from++;
    }
    if (this.#partial === '') {
      // Empty lines before a request line are skipped (RFC 9112 section 2.2).
      while (from + 1 < end && bytes[from] === 13 && bytes[from + 1] === 10) from += 2;
      if (from === end) return end;
    }
    let pieceEnd = Math.min(end, from + HEAD_PIECE);
    let text = this.#partial + latin1Slice(bytes, from, pieceEnd);
    const partialLength = this.#partial.length;
    let mark = text.indexOf('\r\n\r\n', Math.max(0, partialLength - 3));
    while (mark < 0 && pieceEnd < end && text.length <= max) {
      const before = text.length;
      const next = Math.min(end, pieceEnd + HEAD_PIECE);
      text += latin1Slice(bytes, pieceEnd, next);
      pieceEnd = next;
      mark = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    }
    if (mark < 0) {
      if (text.length > max) this.#fail(HEAD_TOO_LARGE);
      else if (!plausibleHead(text)) this.#fail(BAD_CHUNK);
      else {
        const error = this.#checkStartLine(text);
        if (error === undefined) this.#partial = text;
        else this.#fail(error);
      }
      return end;
    }
    const length = mark + 4;
    this.#startLineSeen = false;
    if (length > max) {
      this.#fail(HEAD_TOO_LARGE);
      return end;
    }
    const consumed = from + length - partialLength;
    if (length < text.length) {
      // A flat string of its own: reading characters of a slice is slower, and a slice would keep the body alive.
      text = partialLength === 0 ? latin1Slice(bytes, from, consumed) : text.slice(0, length);
    }
    this.#partial = '';
    const error = this.#sink.head(text);
    if (error !== undefined) this.#fail(error);
    else this.#startBody(this.#sink.beginBody());
    return consumed;
  }

  #checkStartLine(text: string): MessageError | undefined {
    if (this.#startLineSeen) return undefined;
    const end = text.indexOf('\r\n');
    if (end < 0) return undefined;
    this.#startLineSeen = true;
    return this.#sink.startLine?.(text.slice(0, end));
  }

  #startBody(kind: BodyKind): void {
    if (this.#state === State.Dead) return;
    if (kind === BodyKind.None) this.#finish();
    else if (kind === BodyKind.Fixed) {
      this.#remaining = this.#sink.bodyLength;
      this.#state = State.Fixed;
    } else if (kind === BodyKind.Chunked) this.#startChunkSize();
    else this.#state = State.UntilClose;
  }

  #startChunkSize(): void {
    this.#state = State.ChunkSize;
    this.#remaining = 0;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
  }

  #finish(): void {
    if (this.#state === State.Dead) return;
    this.#state = State.Complete;
    this.#sink.complete();
  }

  #readData(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(end, start + this.#remaining);
    this.#remaining -= stop - start;
    this.#emit(this.#options.keepBody(bytes, start, stop));
    if (this.#remaining > 0 || this.#state === State.Dead) return stop;
    if (this.#state === State.ChunkData) {
      this.#state = State.ChunkDataReturn;
    } else {
      this.#flushHeld(true);
      this.#finish();
    }
    return stop;
  }

  #emit(chunk: Uint8Array): void {
    this.#flushHeld(false);
    this.#held = chunk;
  }

  #flushHeld(end: boolean): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    if (this.#state !== State.Dead) this.#sink.data(held, end);
  }

  /** The states around chunk data, byte by byte: `size [; extension] CRLF`, and CRLF after the data. */
  #readChunkLine(bytes: Buffer, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = bytes[at];
      switch (this.#state) {
        case State.ChunkSize: {
          const digit = hexDigit(byte);
          if (digit >= 0) {
            if (++this.#sizeDigits > 12) return this.#badChunk(end);
            this.#remaining = this.#remaining * 16 + digit;
          } else if (this.#sizeDigits === 0) return this.#badChunk(end);
          else if (byte === 13) this.#state = State.ChunkSizeLineFeed;
          else if (byte === 59 || byte === 32 || byte === 9) this.#state = State.ChunkExtension;
          else return this.#badChunk(end);
          break;
        }
        case State.ChunkExtension:
          if (byte === 13) this.#state = State.ChunkSizeLineFeed;
          else if (byte === 10 || ++this.#extensionBytes > MAX_CHUNK_EXTENSION) return this.#badChunk(end);
          break;
        case State.ChunkSizeLineFeed:
          if (byte !== 10) return this.#badChunk(end);
          this.#state = this.#remaining === 0 ? State.Trailers : State.ChunkData;
          return at + 1;
        case State.ChunkDataReturn:
          if (byte !== 13) return this.#badChunk(end);
          this.#state = State.ChunkDataLineFeed;
          break;
        default:
          if (byte !== 10) return this.#badChunk(end);
          this.#startChunkSize();
      }
    }
    return end;
  }

  #badChunk(end: number): number {
    this.#fail(BAD_CHUNK);
    return end;
  }

  #readTrailers(bytes: Buffer, start: number, end: number): number {
    const before = this.#partial.length;
    const text = this.#partial + latin1Slice(bytes, start, end);
    let length = -1;
    if (text.startsWith('\r\n')) length = 2;
    else {
      const mark = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
      if (mark >= 0) length = mark + 4;
    }
    if (length < 0) {
      if (text.length > this.#options.maxHeadBytes) this.#fail(TRAILERS_TOO_LARGE);
      else if (hasBareLineFeed(text)) this.#fail(BAD_CHUNK);
      else this.#partial = text;
      return end;
    }
    this.#partial = '';
    if (length === 2) {
      this.#held ??= EMPTY;
      this.#flushHeld(true);
    } else {
      const trailers = new Headers();
      const error = parseTrailers(text.slice(0, length), 0, trailers, this.#options);
      if (error !== undefined) {
        this.#fail(error);
        return end;
      }
      if (this.#options.enableTrailers) {
        this.#flushHeld(false);
        if (this.#state !== State.Dead) this.#sink.trailers(trailers);
      } else {
        this.#held ??= EMPTY;
        this.#flushHeld(true);
      }
    }
    this.#finish();
    return start + length - before;
  }
}

/** Whether more bytes could still make a head of it; a TLS record or a bare line feed never will. */
function plausibleHead(text: string): boolean {
  const first = text.charCodeAt(0);
  return (TOKEN[first] === 1 || first === 13) && !hasBareLineFeed(text);
}

function hasBareLineFeed(text: string): boolean {
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) {
    if (i === 0 || text.charCodeAt(i - 1) !== 13) return true;
  }
  return false;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
