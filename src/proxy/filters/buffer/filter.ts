import type { Headers } from '../../../wire/headers.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';

/** Holds a request until it is there whole, so that it reaches the upstream at once, and with its length. */
export class BufferFilter implements HttpFilter {
  readonly #maxBytes: number;
  readonly #callbacks: FilterCallbacks;
  #headers: Headers | undefined = undefined;
  #bytes = 0;

  constructor(maxBytes: number, callbacks: FilterCallbacks) {
    this.#maxBytes = maxBytes;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    if (end) return HeadersStatus.Continue;
    this.#callbacks.setBufferLimit(this.#maxBytes);
    this.#headers = headers;
    return HeadersStatus.StopIteration;
  }

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    this.#bytes += chunk.length;
    // One that is too long is answered for it when the last of it is kept.
    if (!end || this.#bytes > this.#maxBytes) return DataStatus.StopAndBuffer;
    this.#tellLength();
    return DataStatus.Continue;
  }

  requestTrailers(): TrailersStatus {
    this.#tellLength();
    return TrailersStatus.Continue;
  }

  #tellLength(): void {
    const headers = this.#headers;
    if (headers !== undefined && !headers.has('content-length')) headers.set('content-length', String(this.#bytes));
  }
}
