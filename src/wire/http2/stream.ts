import type { Headers } from '../headers.ts';
import type { OutgoingStream, ResetReason, StreamHandler } from '../http.ts';
import type { Http2Options } from './options.ts';

/** Takes the place of a handler that is to hear nothing more. */
export const DEAF: StreamHandler = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onReset() {},
  onError() {},
  onWriteBackpressure() {},
};

const EMPTY = new Uint8Array(0);
/** What most streams never have; not to be pushed to. */
const NO_QUEUE: Uint8Array[] = [];

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly options: Http2Options;
  /** The Output piles up: nothing more should be produced. */
  readonly outputBlocked: boolean;
  /** Headers, and what follows them, are to be kept until {@link Http2Stream.releaseAnswer}. */
  holdsAnswer(stream: Http2Stream): boolean;
  /** An answer that is kept is complete. */
  heldAnswerEnded(stream: Http2Stream): void;
  /** A client gives the stream its id here; false if it can no longer be opened. */
  startHeaders(stream: Http2Stream, headers: Headers): boolean;
  writeHeaders(stream: Http2Stream, headers: Headers, end: boolean): void;
  /**
   * Sends of a chunk what the windows allow, from `start` on and not much more than `limit` octets; returns where it had
   * to stop.
   */
  writeData(stream: Http2Stream, chunk: Uint8Array, start: number, limit: number, end: boolean): number;
  /** The stream has data that `writeData` did not take. */
  dataWaits(stream: Http2Stream): void;
  /** END_STREAM was sent. */
  localEnded(stream: Http2Stream): void;
  /** The handler has the whole message. */
  remoteEnded(stream: Http2Stream): void;
  /** Octets of a stream are done with: gives them back to the peer, once it is worth a frame. */
  consume(stream: Http2Stream, octets: number): void;
  resetStream(stream: Http2Stream, reason: ResetReason): void;
}

/** What came for a handler that does not want to read now. */
interface Held {
  readonly chunks: Uint8Array[];
  end: boolean;
  trailers: Headers | undefined;
}

/** A response that is not sent yet. */
interface HeldAnswer {
  readonly headers: Headers;
  readonly chunks: Uint8Array[];
  trailers: Headers | undefined;
}

/** One stream (RFC 9113 section 5): its state, its windows, and what waits in either direction. */
export class Http2Stream implements OutgoingStream {
  readonly connection: StreamOwner;
  handler: StreamHandler;
  /** 0 until a client has sent the headers. */
  id: number;
  /** Octets that we may send, and that the peer may send; ours may be negative (section 6.9.2). */
  sendWindow: number;
  receiveWindow: number;
  /** Octets taken off the peer that no WINDOW_UPDATE has given back. */
  consumed = 0;
  /** CONNECT: the two directions end independently of each other. */
  tunnel = false;
  /** The request was HEAD. */
  head = false;
  /** When it was opened, for those who have a clock. */
  openedAt = 0;

  /** The (final) headers have come; what follows is data and trailers. */
  headersReceived = false;
  /** END_STREAM has come. */
  remoteEnd = false;
  /** Interim responses that have come. */
  informational = 0;
  /** What Content-Length promised, or -1, and what has come. */
  contentLength = -1;
  received = 0;
  #pauses = 0;
  #held: Held | undefined = undefined;
  #delivering = false;

  headersSent = false;
  /** The end was given to us; it may be waiting behind data. */
  localEnd = false;
  /** END_STREAM was sent. */
  localSent = false;
  /** Out of the connection's books; nothing more may come from here or go to the handler. */
  closed = false;
  #answer: HeldAnswer | undefined = undefined;
  #queue = NO_QUEUE;
  /** First chunk of the queue that has not left, and how much of it has. */
  #first = 0;
  #offset = 0;
  #trailers: Headers | undefined = undefined;
  #high = false;
  bufferedBytes = 0;

  constructor(connection: StreamOwner, handler: StreamHandler, id: number, sendWindow: number, window: number) {
    this.connection = connection;
    this.handler = handler;
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = window;
  }

  sendInformational(headers: Headers): void {
    if (!this.closed && !this.headersSent) this.connection.writeHeaders(this, headers, false);
  }

  sendHeaders(headers: Headers, end: boolean): void {
    if (this.closed || this.headersSent) return;
    if (!this.connection.startHeaders(this, headers)) return;
    this.headersSent = true;
    this.localEnd = end;
    if (this.connection.holdsAnswer(this)) {
      this.#answer = { headers, chunks: [], trailers: undefined };
      if (end) this.connection.heldAnswerEnded(this);
      return;
    }
    this.connection.writeHeaders(this, headers, end);
    if (end) this.#ended();
    else this.updateBackpressure();
  }

  /** Sends the answer that was kept, if there is one. */
  releaseAnswer(): void {
    const answer = this.#answer;
    if (answer === undefined || this.closed) return;
    const { headers, chunks, trailers } = answer;
    const end = this.localEnd;
    const bodyless = chunks.length === 0 && trailers === undefined;
    this.#answer = undefined;
    this.localEnd = end && bodyless;
    this.connection.writeHeaders(this, headers, this.localEnd);
    if (this.localEnd) {
      this.#ended();
      return;
    }
    this.updateBackpressure();
    chunks.forEach((chunk, i) => {
      this.sendData(chunk, end && trailers === undefined && i === chunks.length - 1);
    });
    if (trailers !== undefined) this.sendTrailers(trailers);
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.closed || this.localEnd || !this.headersSent) return;
    this.localEnd = end;
    if (this.#answer !== undefined) {
      this.#answer.chunks.push(chunk);
      if (end) this.connection.heldAnswerEnded(this);
      return;
    }
    let sent = 0;
    if (this.bufferedBytes === 0) {
      sent = this.connection.writeData(this, chunk, 0, chunk.length, end);
      if (this.closed) return;
      if (sent === chunk.length) {
        if (end) this.#ended();
        return;
      }
      this.#offset = sent;
    } else if (chunk.length === 0) {
      return;
    }
    if (this.#queue === NO_QUEUE) this.#queue = [chunk];
    else this.#queue.push(chunk);
    this.bufferedBytes += chunk.length - sent;
    this.connection.dataWaits(this);
    this.updateBackpressure();
  }

  sendTrailers(trailers: Headers): void {
    if (this.closed || this.localEnd || !this.headersSent) return;
    this.localEnd = true;
    if (this.#answer !== undefined) {
      this.#answer.trailers = trailers;
      this.connection.heldAnswerEnded(this);
      return;
    }
    if (this.bufferedBytes > 0) {
      this.#trailers = trailers;
      return;
    }
    this.connection.writeHeaders(this, trailers, true);
    this.#ended();
  }

  /** Sends what waits as far as the windows allow, `quantum` octets at most. */
  flush(quantum: number): void {
    let left = quantum;
    while (this.bufferedBytes > 0 && left > 0) {
      const chunk = this.#queue[this.#first];
      const last = this.#first + 1 === this.#queue.length;
      const end = last && this.localEnd && this.#trailers === undefined;
      const to = this.connection.writeData(this, chunk, this.#offset, left, end);
      if (this.closed) return;
      const sent = to - this.#offset;
      this.bufferedBytes -= sent;
      left -= sent;
      this.#offset = to;
      if (to < chunk.length) break;
      this.#offset = 0;
      this.#first++;
      if (last) {
        this.#queue = NO_QUEUE;
        this.#first = 0;
      } else if (this.#first === 64) {
        this.#queue.splice(0, 64);
        this.#first = 0;
      }
    }
    if (this.bufferedBytes === 0 && this.localEnd && !this.localSent) {
      if (this.#trailers !== undefined) this.connection.writeHeaders(this, this.#trailers, true);
      this.#ended();
    } else {
      this.updateBackpressure();
    }
  }

  #ended(): void {
    this.localSent = true;
    this.connection.localEnded(this);
  }

  /** Tells the handler whether to go on sending, if that has changed. */
  updateBackpressure(): void {
    if (this.closed || this.localEnd) return;
    const { connection } = this;
    const limit = connection.options.streamBufferLimit;
    const high =
      connection.outputBlocked || (this.#high ? this.bufferedBytes > limit >> 1 : this.bufferedBytes > limit);
    if (high === this.#high) return;
    this.#high = high;
    this.handler.onWriteBackpressure(high);
  }

  reset(reason: ResetReason): void {
    if (!this.closed) this.connection.resetStream(this, reason);
  }

  pauseReading(pause: boolean): void {
    this.#pauses += pause ? 1 : -1;
    if (pause || this.#pauses > 0 || this.closed) return;
    this.#deliverHeld();
    if (!this.closed) this.connection.consume(this, 0);
  }

  get paused(): boolean {
    return this.#pauses > 0;
  }

  /** Gives data to the handler, or keeps it if the handler does not read. */
  takeData(chunk: Uint8Array, end: boolean): void {
    if (this.#pauses > 0 || this.#held !== undefined) {
      const held = (this.#held ??= { chunks: [], end: false, trailers: undefined });
      held.chunks.push(chunk);
      held.end = end;
    } else {
      this.#deliver(chunk, end);
    }
  }

  takeTrailers(trailers: Headers): void {
    if (this.#pauses > 0 || this.#held !== undefined) {
      const held = (this.#held ??= { chunks: [], end: false, trailers: undefined });
      held.trailers = trailers;
    } else {
      this.handler.onTrailers(trailers);
      this.connection.remoteEnded(this);
    }
  }

  #deliver(chunk: Uint8Array, end: boolean): void {
    this.handler.onData(chunk, end);
    this.connection.consume(this, chunk.length);
    if (end) this.connection.remoteEnded(this);
  }

  #deliverHeld(): void {
    const held = this.#held;
    if (held === undefined || this.#delivering) return;
    this.#delivering = true;
    let next = 0;
    while (next < held.chunks.length && this.#pauses === 0 && !this.closed) {
      const chunk = held.chunks[next];
      held.chunks[next++] = EMPTY;
      this.#deliver(chunk, held.end && next === held.chunks.length);
    }
    this.#delivering = false;
    if (this.closed) return;
    held.chunks.splice(0, next);
    if (held.chunks.length > 0 || this.#pauses > 0) return;
    this.#held = undefined;
    if (held.trailers !== undefined) {
      this.handler.onTrailers(held.trailers);
      this.connection.remoteEnded(this);
    }
  }

  /** What has come is all there will be, but the handler has not taken it. */
  get heldComplete(): boolean {
    return this.#held !== undefined && this.remoteEnd;
  }

  /** Forgets what waits in either direction. Returns the octets that came and were not taken. */
  drop(): number {
    this.dropQueue();
    return this.#dropHeld();
  }

  #dropHeld(): number {
    let octets = 0;
    if (this.#held !== undefined) for (const chunk of this.#held.chunks) octets += chunk.length;
    this.#held = undefined;
    return octets;
  }

  /** From here on the handler hears nothing, and what comes is nobody's. Returns the octets that were not taken. */
  deafen(): number {
    this.handler = DEAF;
    this.#pauses = 0;
    return this.#dropHeld();
  }

  dropQueue(): void {
    this.#answer = undefined;
    this.#queue = NO_QUEUE;
    this.#first = 0;
    this.#offset = 0;
    this.#trailers = undefined;
    this.bufferedBytes = 0;
  }
}
