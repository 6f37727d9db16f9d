import type { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import type { SessionState } from './session.ts';

/** A compiled StatefulSession. */
export interface StatefulSessionConfig {
  /** Undefined if there are no sessions. */
  readonly session: SessionState | undefined;
  /** A request whose host cannot be had is answered with 503, instead of going to another one. */
  readonly strict: boolean;
}

/** Keeps a client with the host that has answered it before, for as long as there is one. */
export class StatefulSessionFilter implements HttpFilter {
  readonly #config: StatefulSessionConfig;
  readonly #callbacks: FilterCallbacks;
  #session: SessionState | undefined = undefined;
  #wanted: string | undefined = undefined;

  constructor(config: StatefulSessionConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { session, strict } = this.#callbacks.routeConfig<StatefulSessionConfig>() ?? this.#config;
    if (session === undefined || !session.covers(headers.path)) return HeadersStatus.Continue;
    this.#session = session;
    const address = session.read(headers);
    this.#wanted = address;
    if (address !== undefined) this.#callbacks.info.overrideHost = { address, strict };
    return HeadersStatus.Continue;
  }

  responseHeaders(headers: Headers): HeadersStatus {
    const host = this.#callbacks.info.upstreamHost;
    if (host !== undefined && host.name !== this.#wanted) this.#session?.write(headers, host.name);
    return HeadersStatus.Continue;
  }
}
