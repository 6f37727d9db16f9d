import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

/** Somebody who sends requests, and tells answers apart by what a test is about. */
export interface Client {
  /**
   * Sends one request, on a connection of its own if it is to be fresh. Resolves with the sort of the answer; fails if
   * there was none.
   */
  ask(isFresh: boolean): Promise<string>;
  /** Ends connections that were kept. */
  close(): void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Serial number of the certificate that the connection was shown, with TLS. */
  readonly serial: string;
}

export interface HttpClientOptions {
  /** Where to connect to, with the path: `http://ADDRESS:PORT/PATH`, or `https://`. */
  readonly url: string;
  /** The Host header, and for https the server's name. */
  readonly host: string;
  /** For https: authorities, client certificate. */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;
  /** Tells answers apart; by their status unless told. */
  readonly sort?: (answer: HttpAnswer) => string;
}

/** Longer than anything takes: a request that is not answered by then has failed. */
export const ANSWER_MS = 30_000;
/** Connections that are kept alive. */
const CONNECTIONS = 16;

/** Requests of HTTP/1.1, most of them on connections that are kept. */
export class HttpClient implements Client {
  readonly #options: HttpClientOptions;
  readonly #module: typeof http | typeof https;
  readonly #agent: http.Agent;
  readonly #serials = new WeakMap<net.Socket, string>();

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#module = options.url.startsWith('https:') ? https : http;
    this.#agent = new this.#module.Agent({ keepAlive: true, maxSockets: CONNECTIONS, scheduling: 'fifo' });
  }

  ask(isFresh: boolean): Promise<string> {
    const { url, host, tls, sort = ({ status }) => String(status) } = this.#options;
    const agent = isFresh ? false : this.#agent;
    const options = { headers: { host }, timeout: ANSWER_MS, agent, servername: host, ...tls };
    return new Promise((resolve, reject) => {
      const request = this.#module.get(url, options, (answer) => {
        const serial = this.#serialOf(answer.socket);
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => (body += part));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve(sort({ status: answer.statusCode ?? 0, headers: answer.headers, body, serial })),
        );
      });
      request.on('socket', (socket) => {
        // Read while the connection stands: one that closes behind its answer has no peer any more.
        if (this.#module === https && !this.#serials.has(socket))
          socket.once('secureConnect', () => this.#serialOf(socket));
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #serialOf(socket: net.Socket): string {
    if (this.#module === http) return '';
    let serial = this.#serials.get(socket);
    if (serial === undefined) {
      serial = (socket as TLSSocket).getPeerCertificate().serialNumber ?? '';
      this.#serials.set(socket, serial);
    }
    return serial;
  }
}

/** Sends bytes over TCP, on a connection for each, and sorts by what comes back first. */
export class TcpClient implements Client {
  readonly #host: string;
  readonly #port: number;
  readonly #says: string;

  constructor(address: string, says: string) {
    const [host = '', port = ''] = address.split(':');
    this.#host = host;
    this.#port = Number(port);
    this.#says = says;
  }

  ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: this.#host, port: this.#port, timeout: ANSWER_MS });
      socket.once('connect', () => socket.write(this.#says));
      socket.once('data', (data) => {
        resolve(data.toString('latin1'));
        socket.destroy();
      });
      socket.on('timeout', () => socket.destroy(new Error('no answer in time')));
      socket.on('end', () => socket.destroy(new Error('ended without an answer')));
      socket.on('error', reject);
    });
  }

  close(): void {}
}

/** A client whose connections are turned away: that is the answer, under the name `refused`. */
export const refused = (client: Client): Client => ({
  ask: () =>
    client.ask(true).then(
      (answer) => answer,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET') return 'refused';
        throw error;
      },
    ),
  close: () => client.close(),
});
