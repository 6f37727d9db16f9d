import net, { type AddressInfo } from 'node:net';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { Headers } from '../../wire/headers.ts';
import type { MessageError, OutgoingStream, StreamHandler } from '../../wire/http.ts';
import { Http1ServerCodec } from '../../wire/http1/server.ts';
import { CodecSocket } from '../net/codec-socket.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** Without the question mark; empty if there is none. */
  readonly query: string;
  readonly headers: Headers;
  /** Address of the peer, an IPv4 one in IPv4's form. */
  readonly remoteAddress: string;
}

export interface HttpReply {
  readonly status: number;
  /** Of `body`; plain text unless told. */
  readonly contentType?: string;
  readonly body?: string | readonly Uint8Array[];
}

/** Answers a request. What it throws becomes a 500 with the error's message. */
export type HttpHandler = (request: HttpRequest) => HttpReply | Promise<HttpReply>;

/** Requests to an agent have no bodies worth reading. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 1000;
/** A connection on which nothing happens for this long is closed. */
const IDLE_MS = 60_000;
export const TEXT = 'text/plain; charset=utf-8';

/**
 * A small HTTP/1.1 server on the codec of the data plane, for the endpoints of an agent: `node:http` would cost every
 * sidecar seven megabytes.
 */
export class HttpServer {
  readonly #handler: HttpHandler;
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<CodecSocket>();

  constructor(handler: HttpHandler) {
    this.#handler = handler;
  }

  /** Serves an address, one of any number. Throws a {@link UserError} with `what` in it when it cannot be bound. */
  async listen(what: string, host: string, port: number): Promise<AddressInfo> {
    const server = net.createServer((socket) => this.#accept(socket));
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.removeListener('error', reject);
        server.on('error', () => {});
        resolve();
      });
    }).catch((error: unknown) => {
      const why = codeOf(error) === 'EADDRINUSE' ? 'another program listens there' : messageOf(error);
      throw new UserError(`The ${what} cannot listen on ${host}:${port}: ${why}.`);
    });
    this.#servers.push(server);
    return server.address() as AddressInfo;
  }

  #accept(socket: net.Socket): void {
    const io = new CodecSocket(socket);
    this.#sockets.add(io);
    const remoteAddress = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const codec = new Http1ServerCodec(io, {
      newStream: (stream) => new Exchange(stream, remoteAddress, this.#handler),
      onConnectionError: () => io.close(),
      onConnectionDone: () => io.close(),
      onWantsPause: () => io.pause(codec.wantsPause),
    });
    socket.setTimeout(IDLE_MS, () => io.destroy());
    io.attach(codec, () => this.#sockets.delete(io));
  }

  /** Takes no more requests. Answers that have been given still leave. */
  close(): void {
    for (const server of this.#servers) server.close();
    for (const io of this.#sockets) io.close();
  }
}

/** One request and its answer. */
class Exchange implements StreamHandler {
  readonly #stream: OutgoingStream;
  readonly #remoteAddress: string;
  readonly #handler: HttpHandler;
  #headers: Headers | undefined;
  #bodyBytes = 0;
  #over = false;

  constructor(stream: OutgoingStream, remoteAddress: string, handler: HttpHandler) {
    this.#stream = stream;
    this.#remoteAddress = remoteAddress;
    this.#handler = handler;
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.#headers = headers;
    if (end) void this.#answer(headers);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > MAX_BODY_BYTES) this.#send({ status: 413 });
    else if (end && this.#headers) void this.#answer(this.#headers);
  }

  onTrailers(): void {
    if (this.#headers) void this.#answer(this.#headers);
  }

  onError(error: MessageError): void {
    this.#send({ status: error.status });
  }

  onReset(): void {
    this.#over = true;
  }

  onWriteBackpressure(): void {
    // Answers are bounded and held whole.
  }

  async #answer(headers: Headers): Promise<void> {
    if (this.#over) return;
    const question = headers.path.indexOf('?');
    const request: HttpRequest = {
      method: headers.method,
      path: question === -1 ? headers.path : headers.path.slice(0, question),
      query: question === -1 ? '' : headers.path.slice(question + 1),
      headers,
      remoteAddress: this.#remoteAddress,
    };
    try {
      this.#send(await this.#handler(request));
    } catch (error) {
      this.#send({ status: 500, body: `${messageOf(error)}\n` });
    }
  }

  #send({ status, contentType = TEXT, body = '' }: HttpReply): void {
    if (this.#over) return;
    this.#over = true;
    const chunks = typeof body === 'string' ? [Buffer.from(body)] : body;
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const headers = Headers.response(status, 'content-length', String(length), 'date', new Date().toUTCString());
    if (length > 0) {
      headers.add('content-type', contentType);
      headers.add('x-content-type-options', 'nosniff');
    }
    const last = chunks.length - 1;
    this.#stream.sendHeaders(headers, length === 0);
    if (length > 0) chunks.forEach((chunk, i) => this.#stream.sendData(chunk, i === last));
  }
}
