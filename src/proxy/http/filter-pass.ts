import type { Headers } from '../../wire/headers.ts';
import { DataStatus, HeadersStatus, type HttpFilter, TrailersStatus } from './filter.ts';

/** A filter in its place, with what it holds back of the message in either direction. */
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
  /** The headers of the request are through every filter that there is: says whether more have come up since. */
  moreFilters(): boolean;
  /** More is buffered than the limit allows, and the filter that asked for it did not ask for the sender to wait. */
  overflow(request: boolean): void;
  /** The sender is to wait (true) or to go on, because a filter holds everything. */
  holdSender(request: boolean, hold: boolean): void;
  /** Nothing more is to be delivered: the stream is over, or the request has been answered here. */
  isOver(request: boolean): boolean;
}

const NOWHERE = -1;
const EMPTY = new Uint8Array(0);
const NO_CHUNKS: readonly Uint8Array[] = [];

/**
 * Takes one message, in one direction, through the filters of a stream in order. Headers go first; a filter may hold
 * them, and what follows, and let them go later.
 *
 * Each filter keeps what it holds back for itself, so that one which lets go never lets go of what another one holds.
 * What a filter holds it has seen, but for a filter that stopped everything: that one gets it when it lets go. The end
 * of the body and the trailers wait at the filter where the last piece of body does.
 */
export class FilterPass {
  readonly #entries: readonly PassEntry[];
  readonly #request: boolean;
  readonly #sink: PassSink;
  #headers: Headers | undefined = undefined;
  /** The message ends with its headers, as far as the filter that is called next is concerned. */
  #headersOnly = false;
  /** Number of filters that have let the headers through. */
  #passed = 0;
  /** Places of the filters at which the end of the body, and the trailers, wait. */
  #endAt = NOWHERE;
  #trailers: Headers | undefined = undefined;
  #trailersAt = NOWHERE;
  /** Filter that gave a body or trailers to a message which came without, while the headers are on their way. */
  #addedAt = NOWHERE;
  #kept: (Uint8Array[] | undefined)[] | undefined = undefined;
  #keptBytes = 0;
  #senderHeld = false;
  /** Bytes that may be kept at all filters together. */
  limit: number;

  /** `entries` in the order of configuration: a request meets them from the first, a response from the last. */
  constructor(entries: readonly PassEntry[], request: boolean, sink: PassSink, limit: number) {
    this.#entries = entries;
    this.#request = request;
    this.#sink = sink;
    this.limit = limit;
  }

  /** Number of filters that have let the headers through. */
  get passed(): number {
    return this.#passed;
  }

  /** Body that waits at the filter in this place. */
  buffer(place: number): readonly Uint8Array[] {
    return this.#kept?.[place] ?? NO_CHUNKS;
  }

  replaceBuffer(place: number, chunks: readonly Uint8Array[]): void {
    this.#takeKept(place);
    for (const chunk of chunks) this.#keep(place, chunk);
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

  /** Starts the message. */
  headers(headers: Headers, end: boolean): void {
    this.#headers = headers;
    this.#headersOnly = end;
    this.#continueHeaders(0);
  }

  #continueHeaders(from: number): void {
    this.#walkHeaders(from);
    const at = this.#addedAt;
    if (at === NOWHERE || this.#over || this.#passed <= at) return;
    this.#addedAt = NOWHERE;
    this.#release(at, at + 1);
  }

  #walkHeaders(from: number): void {
    const headers = this.#headers!;
    for (let i = from; ; i++) {
      this.#passed = i;
      if (i >= this.#entries.length && !(this.#request && this.#sink.moreFilters())) {
        if (!this.#request) this.#sink.passHeaders(headers, this.#headersOnly);
        return;
      }
      const entry = this.#entryAt(i);
      const { filter } = entry;
      let status: HeadersStatus = HeadersStatus.Continue;
      if (this.#request) {
        if (filter.requestHeaders) status = filter.requestHeaders(headers, this.#headersOnly);
      } else if (filter.responseHeaders) status = filter.responseHeaders(headers, this.#headersOnly);
      if (this.#over) return;
      // A filter that continued from within its own call has moved the message on already.
      if (this.#passed > i) return;
      if (status !== HeadersStatus.Continue) {
        this.#setHold(entry, status);
        return;
      }
    }
  }

  data(chunk: Uint8Array, end: boolean): void {
    this.#deliver(chunk, end, 0);
  }

  /** Gives a piece of body to the filters from `from` on. */
  #deliver(chunk: Uint8Array, end: boolean, from: number): void {
    for (let i = from; i < this.#entries.length; i++) {
      const entry = this.#entryAt(i);
      if (this.#holdOf(entry) === HeadersStatus.StopAll) {
        if (end) this.#endAt = i;
        this.#keep(i, chunk);
        this.#holdSender();
        return;
      }
      const status = this.#callData(entry, chunk, end);
      if (this.#over) return;
      // Trailers that the filter added in this call end the message, and not this piece.
      const trailersAdded = end && this.#trailersAt === i;
      if (status !== DataStatus.Continue) {
        if (end && !trailersAdded) this.#endAt = i;
        if (status === DataStatus.StopNoBuffer) return;
        this.#keep(i, chunk);
        if (status === DataStatus.StopAndWatermark) this.#holdSender();
        else if (this.#keptBytes > this.limit) this.#sink.overflow(this.#request);
        return;
      }
      this.#letHeadersGo(entry, i);
      if (this.#over) return;
      if (trailersAdded || this.#kept?.[i] !== undefined) {
        // What this filter had kept goes before what it lets pass now.
        if (end && !trailersAdded) this.#endAt = i;
        this.#keep(i, chunk);
        this.#release(i, i + 1);
        return;
      }
    }
    if (!this.#request) this.#sink.passData(chunk, end);
  }

  #callData(entry: PassEntry, chunk: Uint8Array, end: boolean): DataStatus {
    const { filter } = entry;
    if (this.#request) {
      if (filter.requestData) return filter.requestData(chunk, end);
    } else if (filter.responseData) return filter.responseData(chunk, end);
    return this.#holdOf(entry) === HeadersStatus.Continue ? DataStatus.Continue : DataStatus.StopAndBuffer;
  }

  trailers(trailers: Headers): void {
    this.#trailers = trailers;
    this.#deliverTrailers(0);
  }

  #deliverTrailers(from: number): void {
    const trailers = this.#trailers!;
    for (let i = from; i < this.#entries.length; i++) {
      const entry = this.#entryAt(i);
      const { filter } = entry;
      this.#trailersAt = i;
      if (this.#holdOf(entry) === HeadersStatus.StopAll) return;
      let status: TrailersStatus = TrailersStatus.Continue;
      if (this.#request) {
        if (filter.requestTrailers) status = filter.requestTrailers(trailers);
      } else if (filter.responseTrailers) status = filter.responseTrailers(trailers);
      // A filter that continued from within its own call has moved the trailers on already.
      if (this.#over || status === TrailersStatus.Stop || this.#trailersAt !== i) return;
      this.#letHeadersGo(entry, i);
      if (this.#over) return;
      this.#flush(i, i + 1);
      if (this.#over) return;
    }
    this.#trailersAt = NOWHERE;
    if (!this.#request) this.#sink.passTrailers(trailers);
  }

  /** The headers that this filter held go on, before the body does. */
  #letHeadersGo(entry: PassEntry, place: number): void {
    if (this.#holdOf(entry) === HeadersStatus.Continue) return;
    this.#setHold(entry, HeadersStatus.Continue);
    if (this.#passed > place) return;
    this.#headersOnly = false;
    this.#continueHeaders(place + 1);
  }

  #keep(place: number, chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#kept ??= [];
    (this.#kept[place] ??= []).push(chunk);
    this.#keptBytes += chunk.length;
  }

  #takeKept(place: number): readonly Uint8Array[] {
    const chunks = this.#kept?.[place];
    if (chunks === undefined) return NO_CHUNKS;
    this.#kept![place] = undefined;
    for (const chunk of chunks) this.#keptBytes -= chunk.length;
    return chunks;
  }

  #holdSender(): void {
    if (this.#senderHeld || this.#keptBytes <= this.limit) return;
    this.#senderHeld = true;
    this.#sink.holdSender(this.#request, true);
  }

  /** Gives the body that waits at a filter to those from `from` on. */
  #flush(place: number, from: number): void {
    const chunks = this.#takeKept(place);
    const end = this.#endAt === place;
    if (end) this.#endAt = NOWHERE;
    if (chunks.length === 0 && end) this.#deliver(EMPTY, true, from);
    for (let i = 0; i < chunks.length; i++) {
      if (this.#over) return;
      this.#deliver(chunks[i], end && i === chunks.length - 1, from);
    }
    // Only now: a sender that is let go may send at once, and that comes after what waited.
    if (!this.#senderHeld || this.#over || this.#keptBytes > this.limit) return;
    this.#senderHeld = false;
    this.#sink.holdSender(this.#request, false);
  }

  /** Body, end and trailers that wait at a filter go to those from `from` on. */
  #release(place: number, from: number): void {
    this.#flush(place, from);
    if (this.#trailersAt === place && !this.#over) this.#deliverTrailers(from);
  }

  /** The filter in this place lets go of what it holds. */
  resume(place: number): void {
    if (this.#headers === undefined) return;
    const entry = this.#entryAt(place);
    // A filter that stopped everything has not seen the body yet.
    const from = this.#holdOf(entry) === HeadersStatus.StopAll ? place : place + 1;
    this.#setHold(entry, HeadersStatus.Continue);
    if (this.#passed <= place) {
      this.#continueHeaders(place + 1);
      if (this.#over) return;
    }
    this.#release(place, from);
  }

  /** Hands on body that the filter in this place took before. */
  inject(place: number, chunk: Uint8Array, end: boolean): void {
    this.#letHeadersGo(this.#entryAt(place), place);
    if (this.#over) return;
    if (end && this.#endAt === place) this.#endAt = NOWHERE;
    this.#deliver(chunk, end, place + 1);
  }

  /** Adds body behind the filter in this place, within its call for trailers, or for headers that end the message. */
  add(place: number, chunk: Uint8Array): void {
    this.#keep(place, chunk);
    if (!this.#headersOnly) return;
    this.#headersOnly = false;
    this.#addedAt = place;
    this.#endAt = place;
  }

  /** Adds trailers behind the filter in this place, within the call that gives it the end of the message. */
  addTrailers(place: number, trailers: Headers): void {
    this.#trailers = trailers;
    this.#trailersAt = place;
    if (this.#endAt === place) this.#endAt = NOWHERE;
    if (!this.#headersOnly) return;
    this.#headersOnly = false;
    this.#addedAt = place;
  }
}
