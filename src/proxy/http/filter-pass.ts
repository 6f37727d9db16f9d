import type { Headers } from '../../wire/headers.ts';
import { DataStatus, HeadersStatus, type HttpFilter, TrailersStatus } from './filter.ts';

/** A filter in its place, with how far the message has got at it in either direction. */
export interface PassEntry {
  readonly filter: HttpFilter;
  /** HeadersStatus that holds the request, or the response, at this filter; Continue if nothing does. */
  requestHold: HeadersStatus;
  responseHold: HeadersStatus;
}

/** The stream that a message belongs to. `request` says which of its two messages a call is about. */
export interface PassSink {
  /** Where the response goes behind the last filter; the request is taken by that filter itself. */
  passHeaders(headers: Headers, end: boolean): void;
  passData(chunk: Uint8Array, end: boolean): void;
  passTrailers(trailers: Headers): void;
  /** More is buffered than the limit allows, and the filter that asked for it did not ask for the sender to wait. */
  overflow(request: boolean): void;
  /** The sender is to wait (true) or to go on, because a filter holds everything. */
  holdSender(request: boolean, hold: boolean): void;
  /** Nothing more is to be delivered: the stream is over, or the request has been answered here. */
  isOver(request: boolean): boolean;
}

/**
 * Takes one message, in one direction, through the filters of a stream in order. Headers go first; a filter may hold
 * them, and what follows, and let them go later. What waits stands behind the first filter that holds.
 */
export class FilterPass {
  readonly #entries: readonly PassEntry[];
  readonly #request: boolean;
  readonly #sink: PassSink;
  #headers: Headers | undefined = undefined;
  /** The message ends with its headers. */
  #headersOnly = false;
  /** Number of filters that have let the headers through. */
  #passed = 0;
  #ended = false;
  #trailers: Headers | undefined = undefined;
  #buffer: Uint8Array[] = NOTHING;
  #bufferedBytes = 0;
  #senderHeld = false;
  /** Filter behind which body was added to a message that came without. */
  #addedAt = 0;
  limit: number;

  /** `entries` in the order of configuration: a request meets them from the first, a response from the last. */
  constructor(entries: readonly PassEntry[], request: boolean, sink: PassSink, limit: number) {
    this.#entries = entries;
    this.#request = request;
    this.#sink = sink;
    this.limit = limit;
  }

  get buffer(): readonly Uint8Array[] {
    return this.#buffer;
  }

  replaceBuffer(chunks: readonly Uint8Array[]): void {
    this.#buffer = [...chunks];
    this.#bufferedBytes = chunks.reduce((n, c) => n + c.length, 0);
  }

  get #over(): boolean {
    return this.#sink.isOver(this.#request);
  }

  #entryAt(place: number): PassEntry {
    return this.#request ? this.#entries[place] : this.#entries[this.#entries.length - 1 - place];
  }

  #holdOf(entry: PassEntry): HeadersStatus {
    return this.#request ? entry.requestHold : entry.responseHold;
  }

  #setHold(entry: PassEntry, hold: HeadersStatus): void {
    if (this.#request) entry.requestHold = hold;
    else entry.responseHold = hold;
  }

  /** Starts the message at filter `from`. */
  headers(headers: Headers, end: boolean, from: number): void {
    this.#headers = headers;
    this.#headersOnly = end;
    this.#ended = end;
    this.#passed = from;
    this.#continueHeaders(from);
    // A filter may have added a body to a message without one.
    if (this.#buffer.length > 0 && this.#headersOnly && !this.#over)
      this.#flushTo(this.#addedAt, this.#trailers === undefined);
  }

  #continueHeaders(from: number): void {
    const headers = this.#headers!;
    const count = this.#entries.length;
    for (let i = from; i < count; i++) {
      const entry = this.#entryAt(i);
      const { filter } = entry;
      const end = this.#headersOnly && this.#buffer.length === 0 && this.#trailers === undefined;
      let status: HeadersStatus = HeadersStatus.Continue;
      this.#passed = i;
      if (this.#request) {
        if (filter.requestHeaders) status = filter.requestHeaders(headers, end);
      } else if (filter.responseHeaders) status = filter.responseHeaders(headers, end);
      if (this.#over) return;
      // A filter that continued from within its own call has moved the message on already.
      if (this.#passed > i) return;
      if (status !== HeadersStatus.Continue) {
        this.#setHold(entry, status);
        return;
      }
    }
    this.#passed = count;
    const end = this.#headersOnly && this.#buffer.length === 0 && this.#trailers === undefined;
    if (!this.#request) this.#sink.passHeaders(headers, end);
  }

  data(chunk: Uint8Array, end: boolean): void {
    if (end) this.#ended = true;
    this.#deliver(chunk, end, 0);
  }

  /** Gives a piece of body to the filters from `from` on. */
  #deliver(chunk: Uint8Array, last: boolean, from: number): void {
    const count = this.#entries.length;
    let end = last;
    let trailersFrom = -1;
    for (let i = from; i < count; i++) {
      const entry = this.#entryAt(i);
      const { filter } = entry;
      if (this.#holdOf(entry) === HeadersStatus.StopAll) {
        this.#keep(chunk, true);
        return;
      }
      let status: DataStatus = DataStatus.Continue;
      if (this.#request) {
        if (filter.requestData) status = filter.requestData(chunk, end);
        else if (entry.requestHold !== HeadersStatus.Continue) status = DataStatus.StopAndBuffer;
      } else if (filter.responseData) status = filter.responseData(chunk, end);
      else if (entry.responseHold !== HeadersStatus.Continue) status = DataStatus.StopAndBuffer;
      if (this.#over) return;
      if (status === DataStatus.StopNoBuffer) return;
      if (status === DataStatus.StopAndBuffer) {
        this.#keep(chunk, false);
        return;
      }
      if (this.#holdOf(entry) !== HeadersStatus.Continue) {
        this.#release(entry, i);
        if (this.#over) return;
      }
      if (end && this.#trailers !== undefined) {
        end = false;
        trailersFrom = i + 1;
      }
      if (this.#buffer.length > 0) {
        // What this filter had kept goes before what it lets pass now.
        this.#keepQuietly(chunk);
        this.#flushTo(i + 1, end);
        if (trailersFrom >= 0 && !this.#over) this.#deliverTrailers(trailersFrom);
        return;
      }
    }
    if (!this.#request) this.#sink.passData(chunk, end);
    if (trailersFrom >= 0 && !this.#over) this.#deliverTrailers(trailersFrom);
  }

  /** The headers that this filter held go on. */
  #release(entry: PassEntry, index: number): void {
    this.#setHold(entry, HeadersStatus.Continue);
    if (this.#passed <= index) {
      this.#headersOnly = false;
      this.#passed = index + 1;
      this.#continueHeaders(index + 1);
    }
  }

  #keepQuietly(chunk: Uint8Array): void {
    if (this.#buffer === NOTHING) this.#buffer = [];
    if (chunk.length > 0) this.#buffer.push(chunk);
    this.#bufferedBytes += chunk.length;
  }

  #keep(chunk: Uint8Array, hold: boolean): void {
    this.#keepQuietly(chunk);
    if (this.#bufferedBytes <= this.limit) return;
    if (!hold) this.#sink.overflow(this.#request);
    else if (!this.#senderHeld) {
      this.#senderHeld = true;
      this.#sink.holdSender(this.#request, true);
    }
  }

  #flushTo(from: number, end: boolean): void {
    const chunks = this.#buffer;
    this.#buffer = NOTHING;
    this.#bufferedBytes = 0;
    if (this.#senderHeld) {
      this.#senderHeld = false;
      this.#sink.holdSender(this.#request, false);
    }
    if (chunks.length === 0) {
      if (end) this.#deliver(EMPTY, true, from);
      return;
    }
    for (let i = 0; i < chunks.length && !this.#over; i++) {
      this.#deliver(chunks[i], end && i === chunks.length - 1, from);
    }
  }

  trailers(trailers: Headers): void {
    this.#ended = true;
    this.#trailers = trailers;
    this.#deliverTrailers(0);
  }

  #deliverTrailers(from: number): void {
    const trailers = this.#trailers!;
    const count = this.#entries.length;
    for (let i = from; i < count; i++) {
      const entry = this.#entryAt(i);
      const { filter } = entry;
      if (this.#holdOf(entry) === HeadersStatus.StopAll) return;
      let status: TrailersStatus = TrailersStatus.Continue;
      if (this.#request) {
        if (filter.requestTrailers) status = filter.requestTrailers(trailers);
      } else if (filter.responseTrailers) status = filter.responseTrailers(trailers);
      if (this.#over || status === TrailersStatus.Stop) return;
      if (this.#holdOf(entry) !== HeadersStatus.Continue) {
        this.#release(entry, i);
        if (this.#over) return;
      }
      if (this.#buffer.length > 0) {
        this.#flushTo(i + 1, false);
        if (this.#over || this.#buffer.length > 0) return;
      }
    }
    this.#trailers = undefined;
    if (!this.#request) this.#sink.passTrailers(trailers);
  }

  /** The filter at `index` lets go of what it holds. */
  resume(index: number): void {
    const entry = this.#entryAt(index);
    const hold = this.#holdOf(entry);
    if (
      hold === HeadersStatus.Continue &&
      this.#passed > index &&
      this.#buffer.length === 0 &&
      this.#trailers === undefined
    )
      return;
    const all = hold === HeadersStatus.StopAll;
    this.#setHold(entry, HeadersStatus.Continue);
    if (this.#passed <= index) {
      this.#passed = index + 1;
      this.#continueHeaders(index + 1);
      if (this.#over) return;
    }
    // A filter that stopped everything has not seen the body yet.
    const from = all ? index : index + 1;
    const bodyEnds = this.#ended && !this.#headersOnly && this.#trailers === undefined;
    if (this.#buffer.length > 0 || bodyEnds) this.#flushTo(from, this.#ended && this.#trailers === undefined);
    if (this.#over) return;
    if (this.#trailers !== undefined && this.#buffer.length === 0) this.#deliverTrailers(from);
  }

  /** Adds body behind the filter at `index`, within its call for headers or trailers. */
  add(index: number, chunk: Uint8Array): void {
    this.#addedAt = index + 1;
    this.#keepQuietly(chunk);
  }

  /** Adds trailers to a message that ends without; within the call that delivers its last piece of body. */
  addTrailers(trailers: Headers): void {
    this.#trailers = trailers;
  }
}

const NOTHING: Uint8Array[] = [];
const EMPTY = new Uint8Array(0);
