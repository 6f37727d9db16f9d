import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Address } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { http } from '../../base/node-http.ts';
import { ConfigErrors } from '../config/errors.ts';
import { formatAddress, type SocketAddress } from '../net/connection.ts';
import { socketAddress } from '../net/socket-address.ts';
import { type AdminAnswer, parseParameters, TEXT } from './handler.ts';
import { commandHelp, HANDLERS } from './handlers.ts';
import type { AdminProxy } from './proxy.ts';

/** What a form that is posted may be. */
const MAX_FORM = 1024 * 1024;
/** A long answer lets the proxy work after so many milliseconds. */
const SLICE_MS = 5;
/** Pieces are gathered to chunks of about this length. */
const CHUNK = 64 * 1024;

/** The admin interface: HTTP on an address of its own, for people and for `istioctl`. Not for the open. */
export class AdminServer {
  readonly #proxy: AdminProxy;
  readonly #server: Server;
  #path: string | undefined = undefined;

  constructor(proxy: AdminProxy) {
    this.#proxy = proxy;
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch((error) => {
        proxy.worker.log.warn(`admin ${request.url}: ${messageOf(error)}`);
        response.destroy();
      });
    });
  }

  async listen(address: Address): Promise<void> {
    const errors = new ConfigErrors();
    const wanted = socketAddress(address, errors.at('admin'));
    if (wanted === undefined) throw new UserError(errors.toString());
    const [at = wanted] = this.#proxy.worker.addresses.bind(wanted);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(new UserError(`cannot bind admin address ${formatAddress(at)}: ${messageOf(error)}`));
      });
      if (at.family === 0) {
        this.#path = at.address;
        this.#server.listen(at.address, resolve);
      } else this.#server.listen(at.port, at.address, resolve);
    });
  }

  get address(): { readonly address: string; readonly port: number } | undefined {
    const at = this.#server.address();
    return at !== null && typeof at === 'object' ? at : undefined;
  }

  /** The same as the sockets of listeners are shown. */
  get socketAddress(): SocketAddress | undefined {
    if (this.#path !== undefined) return { address: this.#path, port: 0, family: 0 };
    const at = this.address;
    return at && { ...at, family: at.address.includes(':') ? 6 : 4 };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    const handler = HANDLERS.find((h) => h.path === path);
    if (handler === undefined) {
      await this.#answer(request, response, { status: 404, body: `invalid path. ${commandHelp()}` });
      return;
    }
    if (handler.mutates && request.method !== 'POST') {
      const body = `Method ${request.method} not allowed, POST required.`;
      await this.#answer(request, response, { status: 405, body });
      return;
    }
    const form = request.method === 'POST' && request.headers['content-type'] === 'application/x-www-form-urlencoded';
    const parameters = form ? await readForm(request) : query;
    let answer: AdminAnswer;
    if (parameters === undefined) answer = { status: 413, body: 'form too large\n' };
    else {
      try {
        answer = handler.run(this.#proxy, parseParameters(parameters));
      } catch (error) {
        answer = { status: 500, body: `${messageOf(error)}\n` };
      }
    }
    await this.#answer(request, response, answer);
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { status = 200, type = TEXT, body }: AdminAnswer,
  ): Promise<void> {
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-cache, max-age=0',
      'x-content-type-options': 'nosniff',
      server: 'envoy',
    });
    if (request.method === 'HEAD') response.end();
    else if (typeof body === 'string') response.end(body);
    else await writePieces(response, body);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function readForm(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_FORM) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Writes as fast as the client reads, and no longer at a time than requests can wait. */
async function writePieces(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  let buffered = '';
  let since = performance.now();
  for (const piece of pieces) {
    buffered += piece;
    if (buffered.length >= CHUNK) {
      const flowing = response.write(buffered);
      buffered = '';
      if (!flowing) await drained(response);
    }
    if (response.destroyed) return;
    if (performance.now() - since < SLICE_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    since = performance.now();
  }
  response.end(buffered);
}

function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.removeListener('drain', done);
      response.removeListener('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
