import net from 'node:net';
import { ANSWER_MS, type Client } from './load-clients.ts';

/** Connections that are kept alive. */
const CONNECTIONS = 32;

/**
 * GET requests of HTTP/1.1 without TLS, at a tenth of the cost of {@link HttpClient}: where a load is to be high and the
 * machine is small. An answer must say how long it is, and is sorted by its status.
 */
export class PlainClient implements Client {
  readonly #host: string;
  readonly #port: number;
  readonly #request: Buffer;
  readonly #kept = new Set<PlainConnection>();
  readonly #idle: PlainConnection[] = [];
  readonly #waiting: ((connection: PlainConnection) => void)[] = [];

  /** `address` is `IP:PORT`. */
  constructor(address: string, host: string, path = '/') {
    const [ip = '', port = ''] = address.split(':');
    this.#host = ip;
    this.#port = Number(port);
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  }

  async ask(isFresh: boolean): Promise<string> {
    if (isFresh) {
      const connection = this.#connect();
      try {
        return await connection.ask(this.#request);
      } finally {
        connection.end();
      }
    }
    const connection = await this.#take();
    try {
      return await connection.ask(this.#request);
    } finally {
      this.#giveBack(connection);
    }
  }

  close(): void {
    for (const connection of this.#kept) connection.end();
  }

  #take(): PlainConnection | Promise<PlainConnection> {
    const idle = this.#idle.pop();
    if (idle?.isOpen) return idle;
    if (idle) this.#kept.delete(idle);
    if (this.#kept.size >= CONNECTIONS) return new Promise((resolve) => this.#waiting.push(resolve));
    const connection = this.#connect();
    this.#kept.add(connection);
    return connection;
  }

  #giveBack(connection: PlainConnection): void {
    let next = connection;
    if (!connection.isOpen) {
      this.#kept.delete(connection);
      if (this.#waiting.length === 0) return;
      next = this.#connect();
      this.#kept.add(next);
    }
    const waiting = this.#waiting.shift();
    if (waiting) waiting(next);
    else this.#idle.push(next);
  }

  #connect(): PlainConnection {
    return new PlainConnection(net.connect({ host: this.#host, port: this.#port, noDelay: true }));
  }
}

/** One request after another. */
class PlainConnection {
  isOpen = true;
  readonly #socket: net.Socket;
  #text = '';
  #settle: { readonly resolve: (status: string) => void; readonly reject: (error: Error) => void } | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setTimeout(ANSWER_MS, () => this.#settle && socket.destroy(new Error('no answer in time')));
    socket.on('data', (bytes: Buffer) => this.#read(bytes.toString('latin1')));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('closed without an answer')));
  }

  ask(request: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (this.isOpen) this.#socket.write(request);
      else this.#fail(new Error('closed before the request'));
    });
  }

  end(): void {
    this.isOpen = false;
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#text.slice(0, end + 2);
    const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
    if (length === undefined) return void this.#socket.destroy(new Error(`an answer without a length: ${head}`));
    if (this.#text.length < end + 4 + Number(length)) return;
    this.#text = '';
    if (/\r\nconnection: close\r\n/i.test(head)) this.end();
    this.#settle?.resolve(head.slice(9, 12));
    this.#settle = undefined;
  }

  #fail(error: Error): void {
    this.isOpen = false;
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
