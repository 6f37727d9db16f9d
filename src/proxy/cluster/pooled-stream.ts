import type { Headers } from '../../wire/headers.ts';
import { type MessageError, type OutgoingStream, ResetReason, type StreamHandler } from '../../wire/http.ts';
import type { UpstreamStreamHandler } from './cluster.ts';

/** How a stream has ended: as it should, or reset by us, by the server, or by the end of its connection or a refusal. */
export type StreamEnd = 'none' | 'local' | 'remote' | 'other';

/** Told once when a stream of a pooled connection is over. */
export interface StreamOwner {
  streamEnded(stream: PooledStream, reset: StreamEnd): void;
}

/**
 * A request on a pooled connection: passes everything through in both directions and tells the pool when it is over, so
 * that what is counted is counted once whichever side ends it.
 */
export class PooledStream implements OutgoingStream, StreamHandler {
  readonly #owner: StreamOwner;
  readonly #handler: UpstreamStreamHandler;
  #out: OutgoingStream | undefined = undefined;
  #over = false;

  constructor(owner: StreamOwner, handler: UpstreamStreamHandler) {
    this.#owner = owner;
    this.#handler = handler;
  }

  attach(out: OutgoingStream): void {
    this.#out = out;
  }

  get bufferedBytes(): number {
    return this.#out!.bufferedBytes;
  }

  #end(reset: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.streamEnded(this, reset);
  }

  onInformational(headers: Headers): void {
    this.#handler.onInformational?.(headers);
  }

  onHeaders(headers: Headers, end: boolean): void {
    if (end) this.#end('none');
    this.#handler.onHeaders(headers, end);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (end) this.#end('none');
    this.#handler.onData(chunk, end);
  }

  onTrailers(trailers: Headers): void {
    this.#end('none');
    this.#handler.onTrailers(trailers);
  }

  onReset(reason: ResetReason, details: string): void {
    this.#end(reason === ResetReason.RemoteReset ? 'remote' : 'other');
    this.#handler.onReset(reason, details);
  }

  onError(error: MessageError): void {
    this.#end('remote');
    this.#handler.onError(error);
  }

  onWriteBackpressure(high: boolean): void {
    this.#handler.onWriteBackpressure(high);
  }

  sendInformational(headers: Headers): void {
    this.#out!.sendInformational(headers);
  }

  sendHeaders(headers: Headers, end: boolean): void {
    this.#out!.sendHeaders(headers, end);
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    this.#out!.sendData(chunk, end);
  }

  sendTrailers(trailers: Headers): void {
    this.#out!.sendTrailers(trailers);
  }

  reset(reason: ResetReason): void {
    if (this.#over) return;
    this.#end('local');
    this.#out!.reset(reason);
  }

  pauseReading(pause: boolean): void {
    if (!this.#over) this.#out!.pauseReading(pause);
  }
}
