import type { Output, ServerCallbacks } from '../../src/wire/http.ts';
import { Http2ClientCodec } from '../../src/wire/http2/client.ts';
import { DEFAULT_OPTIONS, type Http2Options } from '../../src/wire/http2/options.ts';
import { Http2ServerCodec } from '../../src/wire/http2/server.ts';

class Pipe implements Output {
  #bytes: Uint8Array[] = [];

  write(chunk: Uint8Array): void {
    this.#bytes.push(Buffer.from(chunk));
  }

  writeLatin1(text: string): void {
    this.#bytes.push(Buffer.from(text, 'latin1'));
  }

  take(): Buffer {
    return Buffer.concat(this.#bytes.splice(0));
  }
}

/** An HTTP/2 client and server without sockets between them: `run` carries bytes to and fro until none are left. */
export class CodecPair {
  readonly client: Http2ClientCodec;
  readonly server: Http2ServerCodec;
  readonly #toServer = new Pipe();
  readonly #toClient = new Pipe();
  readonly errors: string[] = [];
  /** Bytes that travel at once. */
  readonly #piece: number;

  constructor(callbacks: Pick<ServerCallbacks, 'newStream'>, options: Partial<Http2Options> = {}, piece = 1 << 30) {
    this.#piece = piece;
    const all = { ...DEFAULT_OPTIONS, ...options };
    const note = { onConnectionError: (details: string) => this.errors.push(details) };
    this.client = new Http2ClientCodec(this.#toServer, { ...note, onDrain() {}, onStreamAvailable() {} }, all);
    const server: ServerCallbacks = { ...note, newStream: (s) => callbacks.newStream(s), onConnectionDone() {} };
    this.server = new Http2ServerCodec(this.#toClient, server, all);
  }

  run(): void {
    for (;;) {
      const toServer = this.#toServer.take();
      const toClient = this.#toClient.take();
      if (toServer.length === 0 && toClient.length === 0) return;
      this.#feed(toServer, (bytes, start, end) => this.server.receive(bytes, start, end));
      this.#feed(toClient, (bytes, start, end) => this.client.receive(bytes, start, end));
    }
  }

  #feed(bytes: Buffer, receive: (bytes: Buffer, start: number, end: number) => void): void {
    for (let at = 0; at < bytes.length; at += this.#piece) {
      receive(bytes, at, Math.min(bytes.length, at + this.#piece));
    }
  }
}
