import net, { isIP, type Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { Headers } from '../../wire/headers.ts';
import type { ClientCallbacks, MessageError, ResetReason, StreamHandler } from '../../wire/http.ts';
import { Http1ClientCodec } from '../../wire/http1/client.ts';
import { Http2ClientCodec } from '../../wire/http2/client.ts';
import { CodecSocket } from '../net/codec-socket.ts';

export interface HttpCall {
  readonly host: string;
  readonly port: number;
  /** GET unless told. */
  readonly method?: string;
  /** With the query. */
  readonly path: string;
  /** `HOST:PORT` unless told. */
  readonly authority?: string;
  readonly headers?: readonly (readonly [string, string])[];
  /**
   * TLS whose server may be anyone, as for the probes of a kubelet: it tells whether a program answers, and nothing of
   * ours is sent. `alpn` is what is offered.
   */
  readonly insecureTls?: { readonly alpn: readonly string[] };
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** What is kept of the body. More fails the call, or is dropped where `truncate` says so. */
  readonly maxBodyBytes: number;
  readonly truncate?: boolean;
  readonly localAddress?: string;
}

export interface HttpResult {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** One exchange on a connection of its own. Rejects with an Error in words if there is no whole answer. */
export async function httpCall(call: HttpCall): Promise<HttpResult> {
  let timer: NodeJS.Timeout | undefined;
  let socket: Socket | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${call.timeoutMs} ms`)), call.timeoutMs);
  });
  try {
    const connecting = connect(call);
    socket = connecting.socket;
    return await Promise.race([timeout, connecting.ready.then(() => exchange(connecting.socket, call))]);
  } finally {
    clearTimeout(timer);
    socket?.destroy();
  }
}

function connect(call: HttpCall): { readonly socket: Socket; readonly ready: Promise<void> } {
  const { host, port, localAddress, insecureTls } = call;
  const address = { host, port, localAddress };
  const socket = insecureTls
    ? tls.connect({
        ...address,
        rejectUnauthorized: false,
        servername: isIP(host) ? '' : host,
        ALPNProtocols: [...insecureTls.alpn],
      })
    : net.connect(address);
  const ready = new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once(insecureTls ? 'secureConnect' : 'connect', resolve);
  });
  return { socket, ready };
}

function exchange(socket: Socket, call: HttpCall): Promise<HttpResult> {
  const { host, port, method = 'GET', path, headers = [], maxBodyBytes, truncate = false } = call;
  const authority = call.authority ?? (isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`);
  return new Promise((resolve, reject) => {
    const io = new CodecSocket(socket);
    const callbacks: ClientCallbacks = {
      onConnectionError: (details) => reject(new Error(details)),
      onDrain() {},
      onStreamAvailable() {},
    };
    const isHttp2 = (socket as Partial<TLSSocket>).alpnProtocol === 'h2';
    const codec = isHttp2 ? new Http2ClientCodec(io, callbacks) : new Http1ClientCodec(io, callbacks);
    io.attach(codec, () => reject(new Error('the connection was closed before there was an answer')));
    const stream = codec.newStream(new Answer(maxBodyBytes, truncate, resolve, reject));
    const request = Headers.request(method, path, authority);
    request.scheme = call.insecureTls ? 'https' : 'http';
    for (const [name, value] of headers) request.add(name.toLowerCase(), value);
    stream.sendHeaders(request, true);
  });
}

/** Gathers a response. */
class Answer implements StreamHandler {
  readonly #max: number;
  readonly #truncate: boolean;
  readonly #resolve: (result: HttpResult) => void;
  readonly #reject: (error: Error) => void;
  #headers = new Headers();
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(max: number, truncate: boolean, resolve: (result: HttpResult) => void, reject: (error: Error) => void) {
    this.#max = max;
    this.#truncate = truncate;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onHeaders(headers: Headers, end: boolean): void {
    this.#headers = headers;
    if (end) this.#done();
  }

  onData(chunk: Uint8Array, end: boolean): void {
    const room = this.#max - this.#bytes;
    if (chunk.length <= room) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      if (end) this.#done();
    } else if (this.#truncate) {
      this.#chunks.push(chunk.subarray(0, room));
      this.#done();
    } else {
      this.#reject(new Error(`the answer is larger than ${this.#max} bytes`));
    }
  }

  onTrailers(): void {
    this.#done();
  }

  onReset(reason: ResetReason, details: string): void {
    this.#reject(new Error(details || reason));
  }

  onError(error: MessageError): void {
    this.#reject(new Error(error.details));
  }

  onWriteBackpressure(): void {}

  #done(): void {
    this.#resolve({ status: this.#headers.status, headers: this.#headers, body: Buffer.concat(this.#chunks) });
  }
}
