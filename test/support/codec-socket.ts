import type net from 'node:net';
import type { Codec, Output } from '../../src/wire/http.ts';
import { ResetReason } from '../../src/wire/http.ts';

/** An Output that gathers what is written in one turn of the event loop, and sends it to a socket at its end. */
export class SocketOutput implements Output {
  readonly #socket: net.Socket;
  #chunks: Uint8Array[] = [];
  #text = '';
  #scheduled = false;

  constructor(socket: net.Socket) {
    this.#socket = socket;
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

  #flushText(): void {
    if (this.#text !== '') this.#chunks.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    this.#flushText();
    const chunks = this.#chunks;
    this.#chunks = [];
    if (chunks.length > 0 && this.#socket.writable) this.#socket.write(Buffer.concat(chunks));
  }

  end(): void {
    this.flush();
    this.#socket.end();
  }
}

/** Connects a codec with its socket, in both directions, to the end. */
export function attach(socket: net.Socket, codec: Codec): void {
  socket.setNoDelay(true);
  socket.on('data', (bytes: Buffer) => {
    codec.receive(bytes, 0, bytes.length);
    if (socket.writableNeedDrain) codec.outputBackpressure(true);
  });
  socket.on('drain', () => codec.outputBackpressure(false));
  socket.on('end', () => codec.receiveEnd());
  socket.on('error', () => {});
  socket.on('close', () => codec.connectionClosed(ResetReason.ConnectionTermination, 'closed'));
}

/** Waits until a server listens on a port of the system's choice, and returns it. */
export function listen(server: net.Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port));
  });
}
