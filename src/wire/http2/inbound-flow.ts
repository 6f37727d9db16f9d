import { DEFAULT_WINDOW } from './constants.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Options } from './options.ts';
import type { Http2Stream } from './stream.ts';

/**
 * Flow control of what the peer sends (RFC 9113 section 5.2): the windows that it has, and what is given back to it. A
 * WINDOW_UPDATE leaves once half of a window is done with.
 */
export class InboundFlow {
  readonly #writer: FrameWriter;
  readonly #connectionWindow: number;
  readonly #streamWindow: number;
  #window: number;
  /** Octets that are done with and were not given back. */
  #consumed = 0;

  /** Opens the connection's window as far as the options say; to be made after the settings were written. */
  constructor(writer: FrameWriter, options: Http2Options) {
    this.#writer = writer;
    this.#connectionWindow = options.initialConnectionWindowSize;
    this.#streamWindow = options.initialStreamWindowSize;
    this.#window = Math.max(options.initialConnectionWindowSize, DEFAULT_WINDOW);
    if (this.#window > DEFAULT_WINDOW) writer.windowUpdate(0, this.#window - DEFAULT_WINDOW);
  }

  /** A DATA frame of `octets` came, padding included. False if the peer had no window for that. */
  take(octets: number): boolean {
    this.#window -= octets;
    return this.#window >= 0;
  }

  /** Octets that counted for the connection are done with. */
  credit(octets: number): void {
    this.#consumed += octets;
    if (this.#consumed < this.#connectionWindow >> 1) return;
    this.#writer.windowUpdate(0, this.#consumed);
    this.#window += this.#consumed;
    this.#consumed = 0;
  }

  /** What is done with of an open stream goes back to it, once it is worth a frame. */
  creditStream(stream: Http2Stream): void {
    if (stream.consumed < this.#streamWindow >> 1) return;
    this.#writer.windowUpdate(stream.id, stream.consumed);
    stream.receiveWindow += stream.consumed;
    stream.consumed = 0;
  }
}
