import type { Transform } from 'node:stream';
import type { FilterCallbacks } from '../../http/filter.ts';
import type { FlushQueue } from '../../net/flush-queue.ts';

/** A stream of node:zlib: what was written so far comes out after a flush. */
export interface ZlibStream extends Transform {
  flush(callback?: () => void): void;
}

export interface TransformCounts {
  /** Bytes that went in, and that came out. */
  readonly count: (into: number, out: number) => void;
  /** The body is not what the transformation takes. */
  readonly failed: (error: Error) => void;
}

const NOTHING = new Uint8Array(0);

/**
 * Sends the body of a message through a compression, which works elsewhere: what comes out is handed on when it is there,
 * and the sender waits while too much is under way. Each piece comes out as it went in; none waits for the next.
 */
export class BodyTransform {
  readonly #stream: ZlibStream;
  readonly #callbacks: FilterCallbacks;
  readonly #request: boolean;
  readonly #flushQueue: FlushQueue;
  readonly #count: TransformCounts['count'];
  #ended = false;
  #trailersWait = false;
  #paused = false;
  #over = false;

  constructor(
    stream: ZlibStream,
    request: boolean,
    callbacks: FilterCallbacks,
    flushQueue: FlushQueue,
    counts: TransformCounts,
  ) {
    this.#stream = stream;
    this.#callbacks = callbacks;
    this.#request = request;
    this.#flushQueue = flushQueue;
    this.#count = counts.count;
    stream.on('data', (out: Buffer) =>
      this.#run(() => {
        counts.count(0, out.length);
        if (!this.#over) this.#inject(out, false);
      }),
    );
    stream.on('drain', () => this.#run(() => this.#pause(false)));
    stream.on('end', () =>
      this.#run(() => {
        if (this.#ended) this.#inject(NOTHING, true);
        else if (this.#trailersWait) this.#continue();
      }),
    );
    stream.on('error', (error) => this.#run(() => counts.failed(error)));
  }

  /** Events of the stream are events of their own. */
  #run(event: () => void): void {
    if (!this.#over) this.#flushQueue.run(event);
  }

  #inject(chunk: Uint8Array, end: boolean): void {
    if (this.#request) this.#callbacks.injectRequestData(chunk, end);
    else this.#callbacks.injectResponseData(chunk, end);
  }

  #continue(): void {
    if (this.#request) this.#callbacks.continueRequest();
    else this.#callbacks.continueResponse();
  }

  #pause(pause: boolean): void {
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (this.#request) this.#callbacks.pauseRequest(pause);
    else this.#callbacks.pauseResponse(pause);
  }

  data(chunk: Uint8Array, end: boolean): void {
    this.#ended = end;
    this.#count(chunk.length, 0);
    if (end) {
      this.#stream.end(chunk);
      return;
    }
    if (!this.#stream.write(chunk)) this.#pause(true);
    this.#stream.flush();
  }

  /** The trailers wait until all of the body has come out. */
  trailers(): void {
    this.#trailersWait = true;
    this.#stream.end();
  }

  destroy(): void {
    this.#over = true;
    this.#stream.destroy();
  }
}
