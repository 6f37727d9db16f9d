import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { HostPort } from '../environment/values.ts';
import { type HttpReply, type HttpRequest, HttpServer } from '../http/server.ts';
import { AppProbes, type AppProbesOptions } from './app-probes.ts';
import { type ScrapeOptions, scrape } from './scrape.ts';

export interface StatusOptions {
  /** Why the pod is not ready for traffic, or undefined. */
  readonly readiness: () => Promise<string | undefined>;
  /** Ends the agent as SIGTERM does. */
  readonly quit: () => void;
  /** Drains the proxy without ending it. */
  readonly drain: () => Promise<void>;
  /** Asks for a new certificate before it is due; an Error in words if there is nobody to ask. */
  readonly renew: () => void;
  /** Whether an address is of the pod itself, which alone may give orders and look inside. */
  readonly isOwn: (address: string) => boolean;
  /** What `/debug/NAME` shows, as JSON. */
  readonly debug: ReadonlyMap<string, () => unknown>;
  readonly scrape: Omit<ScrapeOptions, 'log'>;
  readonly probes: Omit<AppProbesOptions, 'log' | 'statusPort'>;
  readonly log: Logger;
}

const NOT_LOCAL: HttpReply = { status: 403, body: 'Only requests from localhost are allowed\n' };
const NOT_POST: HttpReply = { status: 405, body: 'Method Not Allowed\n' };

/** The endpoints of an agent (15020): readiness, metrics, probes of the program, and how to end it. */
export class StatusServer {
  readonly #options: StatusOptions;
  readonly #server: HttpServer;
  readonly #probes: AppProbes;
  #port = 0;
  #wasReady = false;
  #lastProblem: string | undefined = undefined;

  constructor(options: StatusOptions) {
    this.#options = options;
    this.#probes = new AppProbes({ ...options.probes, log: options.log, statusPort: () => this.#port });
    this.#server = new HttpServer((request) => this.#handle(request));
  }

  /** The port that it really listens on. */
  get port(): number {
    return this.#port;
  }

  async listen(addresses: readonly HostPort[]): Promise<void> {
    for (const { host, port } of addresses) {
      this.#port = (await this.#server.listen('status server', host, port)).port;
    }
  }

  close(): void {
    this.#server.close();
  }

  #handle(request: HttpRequest): HttpReply | Promise<HttpReply> {
    const { path } = request;
    switch (path) {
      case '/healthz/ready':
        return this.#ready();
      case '/stats/prometheus':
      case '/metrics':
        return scrape(request, { ...this.#options.scrape, log: this.#options.log });
      case '/quitquitquit':
        return this.#command(request, this.#options.quit);
      case '/drain':
        return this.#command(request, this.#options.drain);
      case '/certificates/renew':
        return this.#command(request, this.#options.renew);
      default:
        if (path.startsWith('/app-health/') || path.startsWith('/app-lifecycle/')) return this.#probes.handle(request);
        return path.startsWith('/debug/') ? this.#debug(request) : { status: 404, body: '404 page not found\n' };
    }
  }

  async #ready(): Promise<HttpReply> {
    const { readiness, log } = this.#options;
    const problem = await readiness();
    if (problem === undefined) {
      if (!this.#wasReady) log.info('Envoy proxy is ready');
      this.#wasReady = true;
      this.#lastProblem = undefined;
      return { status: 200 };
    }
    // Whoever probes often does not want the same line each time.
    if (problem !== this.#lastProblem) log.warn(`Envoy proxy is NOT ready: ${problem}`);
    this.#lastProblem = problem;
    this.#wasReady = false;
    return { status: 503, body: `${problem}\n` };
  }

  async #command(request: HttpRequest, command: () => void | Promise<void>): Promise<HttpReply> {
    if (!this.#options.isOwn(request.remoteAddress)) return NOT_LOCAL;
    if (request.method !== 'POST') return NOT_POST;
    this.#options.log.info(`handling ${request.path}`);
    try {
      await command();
      return { status: 200, body: 'OK' };
    } catch (error) {
      return { status: 500, body: `${messageOf(error)}\n` };
    }
  }

  #debug(request: HttpRequest): HttpReply {
    if (!this.#options.isOwn(request.remoteAddress)) return NOT_LOCAL;
    const { debug } = this.#options;
    const show = debug.get(request.path.slice('/debug/'.length));
    if (!show)
      return { status: 404, body: `there are: ${[...debug.keys()].map((name) => `/debug/${name}`).join(' ')}\n` };
    return { status: 200, contentType: 'application/json', body: `${JSON.stringify(show(), undefined, 2)}\n` };
  }
}
