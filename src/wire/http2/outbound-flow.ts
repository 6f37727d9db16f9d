import { DEFAULT_WINDOW, MAX_31_BITS } from './constants.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Stream } from './stream.ts';

/** What one stream may send before the next one's turn comes. */
const QUANTUM = 65536;

/** Flow control of what we send (RFC 9113 section 5.2): the connection's window, and who waits for it. */
export class OutboundFlow {
  readonly #writer: FrameWriter;
  #window = DEFAULT_WINDOW;
  /** Streams with data and a window of their own, in the order of their turns. */
  readonly #ready = new Set<Http2Stream>();

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  /**
   * Sends of a chunk what the windows and the Output allow, from `start` on and not much more than `limit` octets;
   * returns where it had to stop.
   */
  write(stream: Http2Stream, chunk: Uint8Array, start: number, limit: number, end: boolean): number {
    const writer = this.#writer;
    let at = start;
    if (chunk.length === 0) {
      if (end) writer.data(stream.id, chunk, 0, 0, true);
      return 0;
    }
    while (at < chunk.length && at - start < limit && !writer.blocked && !stream.closed) {
      const size = Math.min(chunk.length - at, stream.sendWindow, this.#window, writer.maxFrameSize);
      if (size <= 0) break;
      stream.sendWindow -= size;
      this.#window -= size;
      const from = at;
      at += size;
      writer.data(stream.id, chunk, from, at, end && at === chunk.length);
    }
    return at;
  }

  /** The stream has data that {@link write} did not take. */
  add(stream: Http2Stream): void {
    if (stream.sendWindow > 0) this.#ready.add(stream);
  }

  remove(stream: Http2Stream): void {
    this.#ready.delete(stream);
  }

  clear(): void {
    this.#ready.clear();
  }

  /** Lets those who wait send, in turns. */
  flush(): void {
    const ready = this.#ready;
    while (ready.size > 0 && this.#window > 0 && !this.#writer.blocked) {
      for (const stream of ready) {
        ready.delete(stream);
        stream.flush(QUANTUM);
        if (stream.bufferedBytes > 0) this.add(stream);
        break;
      }
    }
  }

  /** WINDOW_UPDATE for the connection; false if the window grew beyond what is allowed. */
  openConnection(increment: number): boolean {
    this.#window += increment;
    if (this.#window > MAX_31_BITS) return false;
    this.flush();
    return true;
  }

  /** WINDOW_UPDATE for a stream; false if the window grew beyond what is allowed. */
  openStream(stream: Http2Stream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_31_BITS) return false;
    if (stream.bufferedBytes > 0) {
      this.add(stream);
      this.flush();
    }
    return true;
  }

  /** `SETTINGS_INITIAL_WINDOW_SIZE` changed by `delta`; false if a window grew beyond what is allowed. */
  shift(streams: Iterable<Http2Stream>, delta: number): boolean {
    for (const stream of streams) {
      stream.sendWindow += delta;
      if (stream.sendWindow > MAX_31_BITS) return false;
      if (stream.bufferedBytes > 0) this.add(stream);
    }
    return true;
  }
}
