import type { Socket } from 'node:net';
import { type Codec, type Output, ResetReason } from '../../wire/http.ts';

/**
 * Connects a codec with its socket in both directions, to the end. What is written during one event leaves together.
 */
export class CodecSocket implements Output {
  readonly #socket: Socket;
  #chunks: Uint8Array[] = [];
  #text = '';
  #scheduled = false;
  #ending = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // What went wrong shows in `close`, which always follows.
    socket.on('error', () => {});
  }

  /** Begins to read. `onClosed` is told when the socket is gone, after the codec has been. */
  attach(codec: Codec, onClosed: () => void = () => {}): void {
    const socket = this.#socket;
    socket.on('data', (bytes: Buffer) => {
      codec.receive(bytes, 0, bytes.length);
      if (socket.writableNeedDrain) codec.outputBackpressure(true);
    });
    socket.on('drain', () => codec.outputBackpressure(false));
    socket.on('end', () => {
      codec.receiveEnd();
      this.close();
    });
    socket.on('close', () => {
      codec.connectionClosed(ResetReason.ConnectionTermination, 'the connection was closed');
      onClosed();
    });
  }

  write(chunk: Uint8Array): void {
    this.#flushText();
    this.#chunks.push(chunk);
    this.#schedule();
  }

  writeLatin1(text: string): void {
    this.#text += text;
    this.#schedule();
  }

  /** Reads on or not, for a codec whose `wantsPause` changed. */
  pause(paused: boolean): void {
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Sends what was written, then ends. */
  close(): void {
    if (this.#ending) return;
    this.#flush();
    this.#ending = true;
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #flushText(): void {
    if (this.#text !== '') this.#chunks.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    this.#flushText();
    const chunks = this.#chunks;
    if (chunks.length === 0) return;
    this.#chunks = [];
    if (this.#ending || !this.#socket.writable) return;
    this.#socket.write(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  }
}
