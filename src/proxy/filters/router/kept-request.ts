import type { Headers } from '../../../wire/headers.ts';
import { keepForGood } from '../../net/loans.ts';

/** Where what was kept is sent to. */
export interface RequestSink {
  sendData(chunk: Uint8Array, end: boolean): void;
  sendTrailers(trailers: Headers): void;
}

/** Body and trailers of a request, as far as they have come and an attempt that is still to be made will send them. */
export class KeptRequest {
  #chunks: readonly Uint8Array[] = NO_CHUNKS;
  #bytes = 0;
  #lost = false;
  trailers: Headers | undefined = undefined;

  /** Bytes of body that were kept since the request began, whether or not they are here still. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasBody(): boolean {
    return this.#chunks.length > 0;
  }

  /** The body as far as it has come, or undefined if some of it was not kept. */
  get body(): readonly Uint8Array[] | undefined {
    return this.#lost ? undefined : this.#chunks;
  }

  keep(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#lost) return;
    keepForGood(chunk);
    if (this.#chunks === NO_CHUNKS) this.#chunks = [chunk];
    else (this.#chunks as Uint8Array[]).push(chunk);
  }

  /** Body is not needed again. */
  dropBody(): void {
    if (this.hasBody) this.#lost = true;
    this.#chunks = NO_CHUNKS;
  }

  /** Sends what is kept; `ended`: it is the whole request. With `last`, body is not kept for another time. */
  sendTo(sink: RequestSink, ended: boolean, last: boolean): void {
    const chunks = this.#chunks;
    if (last) this.dropBody();
    const bodyEnds = ended && this.trailers === undefined;
    for (let i = 0; i < chunks.length; i++) sink.sendData(chunks[i], bodyEnds && i === chunks.length - 1);
    if (this.trailers !== undefined) sink.sendTrailers(this.trailers);
  }
}

const NO_CHUNKS: readonly Uint8Array[] = [];
