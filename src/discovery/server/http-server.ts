import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import type { Logger } from '../../base/log.ts';
import { http } from '../../base/node-http.ts';
import type { Authenticator } from '../../ca/tokens/authenticator.ts';
import { type DebugAnswer, type DebugContext, text } from '../debug/handler.ts';
import { answerDebug, debugIndex } from '../debug/index.ts';
import { formatAddress } from './address.ts';
import { authenticate } from './authentication.ts';
import { bind } from './sockets.ts';

export interface HttpServerOptions {
  readonly debug: DebugContext;
  readonly ready: () => boolean;
  readonly version: string;
  readonly metrics: () => string;
  /** Prove who asks for debug information from another machine. */
  readonly authenticators: readonly Authenticator[];
  readonly log: Logger;
}

type Route = (request: IncomingMessage, url: URL) => DebugAnswer | Promise<DebugAnswer>;

/** `--httpAddr`: readiness and debug. */
export function debugRoutes(options: HttpServerOptions): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ['/ready', () => (options.ready() ? text(200, '') : text(503, ''))],
    ['/debug', () => debugIndex()],
  ]);
}

/** `--monitoringAddr`: the same, with metrics and the version. */
export function monitoringRoutes(options: HttpServerOptions): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ...debugRoutes(options),
    [
      '/metrics',
      () => ({ status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: options.metrics() }),
    ],
    ['/version', () => text(200, options.version)],
  ]);
}

/** Serves routes, and everything under `/debug/`. */
export async function serveHttp(
  flag: string,
  address: ListenOptions,
  routes: ReadonlyMap<string, Route>,
  options: HttpServerOptions,
): Promise<{ readonly address: string; readonly server: Server }> {
  const server = http.createServer((request, response) => {
    respond(request, response, routes, options).catch(() => response.destroy());
  });
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  await bind(flag, server, address);
  return { address: formatAddress(server.address()), server };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  routes: ReadonlyMap<string, Route>,
  options: HttpServerOptions,
): Promise<void> {
  const answer = await route(request, routes, options);
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.body),
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

async function route(
  request: IncomingMessage,
  routes: ReadonlyMap<string, Route>,
  options: HttpServerOptions,
): Promise<DebugAnswer> {
  if (!URL.canParse(request.url ?? '', 'http://localhost')) return text(400, 'bad request\n');
  const url = new URL(request.url ?? '', 'http://localhost');
  const isDebug = url.pathname === '/debug' || url.pathname.startsWith('/debug/');
  if (request.method !== 'GET' && request.method !== 'HEAD' && !(isDebug && request.method === 'POST'))
    return text(405, 'method not allowed\n');
  if (!isDebug) return routes.get(url.pathname)?.(request, url) ?? text(404, '404 page not found\n');

  const identity = await debugIdentity(request, options);
  if (identity === 'refused') return text(401, 'debug information is for this machine, or with a token of the mesh\n');
  const name = url.pathname.slice('/debug/'.length);
  if (name === '') return routes.get('/debug')?.(request, url) ?? text(404, '404 page not found\n');
  return answerDebug(name, { query: url.searchParams, identity }, options.debug);
}

/** Who asks for debug information: nobody in particular from this machine; from elsewhere whoever proves it. */
async function debugIdentity(request: IncomingMessage, { authenticators, log }: HttpServerOptions) {
  const address = request.socket.remoteAddress ?? '';
  if (isLoopback(address) && isLocalHost(request.headers.host) && !isForeignPage(request)) return undefined;
  const peer = { address, authorization: request.headers.authorization, certificates: undefined };
  const who = await authenticate(peer, authenticators, (reason) =>
    log.warn(`refused debug information to ${address}: ${reason}`),
  );
  return 'code' in who ? 'refused' : who;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}

/** A name that an attacker's DNS resolves to this machine is not one of ours: browsers would let its pages read answers. */
function isLocalHost(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name);
}

/** A page of another site in a browser on this machine: it cannot read an answer, but some questions have effects. */
function isForeignPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}
