import net from 'node:net';

/**
 * HTTP/1 as bytes, read by a reader of its own: what tests compare must not go through the codec that is tested, nor
 * through one that tidies up.
 */
export interface RawMessage {
  readonly startLine: string;
  /** In the order and spelling of the wire. */
  readonly headers: readonly (readonly [string, string])[];
  /** Without the framing of chunks. */
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
}

export interface RawResponse extends RawMessage {
  readonly status: number;
  /** Interim responses that came before. */
  readonly informational: readonly RawMessage[];
}

/** Value of a header, whatever its spelling; values of repeated ones are joined. */
export function headerOf(message: RawMessage, name: string): string | undefined {
  const values = message.headers.filter(([n]) => n.toLowerCase() === name).map(([, v]) => v);
  return values.length === 0 ? undefined : values.join(',');
}

interface Parsed {
  readonly message: RawMessage;
  readonly length: number;
}

function fields(block: string): [string, string][] {
  if (block === '') return [];
  return block.split('\r\n').map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

/**
 * The first message in `bytes`, or undefined while it is not complete. `bodyless`: the message has no body whatever its
 * headers say; `ended`: the peer sends no more, which ends a response without a length.
 */
export function parseMessage(
  bytes: Buffer,
  kind: 'request' | 'response',
  options: { readonly bodyless?: boolean; readonly ended?: boolean } = {},
): Parsed | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const firstEnd = head.indexOf('\r\n');
  const startLine = firstEnd < 0 ? head : head.slice(0, firstEnd);
  const headers = firstEnd < 0 ? [] : fields(head.slice(firstEnd + 2));
  const value = (name: string) => headers.find(([n]) => n.toLowerCase() === name)?.[1];
  const start = headEnd + 4;
  const done = (body: Buffer, length: number, trailers: [string, string][] = []) => ({
    message: { startLine, headers, body, trailers },
    length,
  });
  if (options.bodyless) return done(EMPTY, start);
  if (/\bchunked$/i.test(value('transfer-encoding') ?? '')) return parseChunked(bytes, start, done);
  const length = value('content-length');
  if (length !== undefined) {
    const end = start + Number(length);
    return bytes.length < end ? undefined : done(bytes.subarray(start, end), end);
  }
  if (kind === 'request') return done(EMPTY, start);
  return options.ended ? done(bytes.subarray(start), bytes.length) : undefined;
}

const EMPTY = Buffer.alloc(0);

function parseChunked(
  bytes: Buffer,
  start: number,
  done: (body: Buffer, length: number, trailers: [string, string][]) => Parsed,
): Parsed | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    at = lineEnd + 2;
    if (size > 0) {
      if (bytes.length < at + size + 2) return undefined;
      chunks.push(bytes.subarray(at, at + size));
      at += size + 2;
      continue;
    }
    const end = bytes.subarray(at, at + 2).toString('latin1') === '\r\n' ? at : bytes.indexOf('\r\n\r\n', at);
    if (end < 0 || bytes.length < at + 2) return undefined;
    const trailers = end === at ? [] : fields(bytes.toString('latin1', at, end));
    return done(Buffer.concat(chunks), end === at ? at + 2 : end + 4, trailers);
  }
}

/** Bytes of an HTTP/1.1 message. A body gets its Content-Length unless the headers frame it. */
export function encodeMessage(
  startLine: string,
  headers: readonly (readonly [string, string])[],
  body: string | Uint8Array = '',
): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body, 'utf8') : Buffer.from(body);
  const framed = headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  const all = framed || content.length === 0 ? headers : [...headers, ['content-length', String(content.length)]];
  const lines = [startLine, ...all.map(([name, value]) => `${name}: ${value}`), '', ''];
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), content]);
}

/** Chunks of the chunked coding, the last one and trailers included. */
export function chunked(chunks: readonly string[], trailers: readonly (readonly [string, string])[] = []): string {
  const encoded = chunks.map((c) => `${Buffer.byteLength(c).toString(16)}\r\n${c}\r\n`);
  return `${encoded.join('')}0\r\n${trailers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
}

/** The request that a backend got, and how to answer in pieces. */
export type BackendHandler = (request: RawMessage) => string | Uint8Array | undefined;

/** A server that answers raw bytes and remembers what it was asked. */
export class RawBackend {
  readonly requests: RawMessage[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Answers a request; undefined closes the connection without a word. */
  handler: BackendHandler;

  constructor(handler: BackendHandler) {
    this.handler = handler;
    this.#server = net.createServer((socket) => this.#serve(socket));
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let bytes: Buffer = EMPTY;
    socket.on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      for (;;) {
        const parsed = parseMessage(bytes, 'request');
        if (parsed === undefined) return;
        bytes = bytes.subarray(parsed.length);
        this.requests.push(parsed.message);
        const answer = this.handler(parsed.message);
        if (answer === undefined) socket.destroy();
        else socket.write(answer);
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** The requests since the last time. */
  take(): RawMessage[] {
    return this.requests.splice(0);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/**
 * Sends bytes over a connection of its own and reads one response. Pieces are written one after the other with a turn
 * of the event loop between them. Rejects if the connection ends before a response is complete.
 */
export function exchange(
  port: number,
  pieces: readonly (string | Uint8Array)[],
  options: { readonly bodyless?: boolean; readonly host?: string; readonly localAddress?: string } = {},
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: options.host ?? '127.0.0.1', localAddress: options.localAddress });
    let bytes: Buffer = EMPTY;
    const informational: RawMessage[] = [];
    const look = (ended: boolean): boolean => {
      for (;;) {
        const interim = /^HTTP\/1\.1 1(?!01)\d\d/.test(bytes.toString('latin1', 0, 12));
        const parsed = parseMessage(bytes, 'response', { bodyless: interim || isBodyless(bytes, options), ended });
        if (parsed === undefined) return false;
        bytes = bytes.subarray(parsed.length);
        if (interim) {
          informational.push(parsed.message);
          continue;
        }
        const status = Number(parsed.message.startLine.split(' ')[1]);
        resolve({ ...parsed.message, status, informational });
        socket.destroy();
        return true;
      }
    };
    socket.on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      look(false);
    });
    const fail = (why: string) => {
      if (!look(true)) reject(new Error(`${why} after ${JSON.stringify(bytes.toString('latin1', 0, 200))}`));
    };
    socket.on('end', () => fail('connection ended'));
    socket.on('error', (error) => fail(error.message));
    socket.setTimeout(30_000, () => {
      fail('no response within 30 s');
      socket.destroy();
    });
    const write = (i: number) => {
      if (i >= pieces.length || socket.destroyed) return;
      socket.write(pieces[i]);
      if (i + 1 < pieces.length) setTimeout(() => write(i + 1), 20);
    };
    write(0);
  });
}

function isBodyless(bytes: Buffer, options: { readonly bodyless?: boolean }): boolean {
  return options.bodyless === true || /^HTTP\/1\.1 (101|204|304)/.test(bytes.toString('latin1', 0, 12));
}

/** Sends bytes over a connection of its own and reads until the peer ends it, in order or not. */
export function converse(
  port: number,
  bytes: string | Uint8Array,
  options: { readonly host?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: options.host ?? '127.0.0.1' }, () => socket.write(bytes));
    let received = '';
    socket.on('data', (more: Buffer) => (received += more.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
    socket.setTimeout(30_000, () => {
      reject(new Error(`the connection was not ended within 30 s after ${JSON.stringify(received.slice(0, 200))}`));
      socket.destroy();
    });
  });
}
