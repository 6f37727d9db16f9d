import http from 'node:http';
import type { Address } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { ConfigErrors } from '../config/errors.ts';
import { socketAddress } from '../config/values.ts';
import { formatAddress } from '../net/connection.ts';
import type { ProxyServer } from '../server.ts';
import { HANDLERS } from './handlers.ts';

/** The admin interface: HTTP on an address of its own, for people and for `istioctl`. Not for the open. */
export class AdminServer {
  readonly #proxy: ProxyServer;
  readonly #server: http.Server;

  constructor(proxy: ProxyServer) {
    this.#proxy = proxy;
    this.#server = http.createServer((request, response) => this.#serve(request, response));
  }

  async listen(address: Address): Promise<void> {
    const errors = new ConfigErrors();
    const configured = socketAddress(address, errors.at('admin'));
    const at = configured && this.#proxy.worker.addresses.bind(configured)[0];
    if (at === undefined) throw new UserError(errors.toString());
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(new UserError(`cannot bind admin address ${formatAddress(at)}: ${messageOf(error)}`));
      });
      if (at.family === 0) this.#server.listen(at.address, resolve);
      else this.#server.listen(at.port, at.address, resolve);
    });
  }

  get address(): { readonly address: string; readonly port: number } | undefined {
    const at = this.#server.address();
    return at !== null && typeof at === 'object' ? at : undefined;
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://admin');
    const handler = HANDLERS.find((h) => h.path === url.pathname);
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, {
        'content-type': type,
        'cache-control': 'no-cache, max-age=0',
        'x-content-type-options': 'nosniff',
      });
      response.end(body);
    };
    if (handler === undefined) {
      send(404, TEXT, 'invalid path. admin commands are:\n' + help());
      return;
    }
    if (handler.mutates && request.method !== 'POST') {
      send(405, TEXT, `Method ${request.method} not allowed, POST required.`);
      return;
    }
    try {
      const { status = 200, type = TEXT, body } = handler.run(this.#proxy, url.searchParams);
      send(status, type, body);
    } catch (error) {
      send(500, TEXT, `${messageOf(error)}\n`);
    }
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const TEXT = 'text/plain; charset=UTF-8';

function help(): string {
  return HANDLERS.map((h) => `  ${h.path}${h.mutates ? ' (POST)' : ''}: ${h.help}\n`).join('');
}
