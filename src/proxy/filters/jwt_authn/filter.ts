import type { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import type { Requirement } from './requirement.ts';
import type { JwtStats } from './stats.ts';
import { JwtStatus } from './status.ts';
import type { VerificationContext } from './verification.ts';

/** What the filter's configuration decides. */
export interface JwtConfig {
  readonly stats: JwtStats;
  readonly bypassCorsPreflight: boolean;
  readonly stripFailureResponse: boolean;
  /** What a request has to bring by the filter's rules; undefined for nothing. */
  requirementFor(headers: Headers, callbacks: FilterCallbacks): Requirement | undefined;
  /** `requirement_map`. */
  readonly named: ReadonlyMap<string, Requirement>;
}

/** `PerRouteConfig`: switched off, or the name of a requirement. */
export type JwtRouteConfig = { readonly disabled: true } | { readonly requirement: string };

/** Envoy shows at most so much of a path. */
const MAX_PATH = 256;

/** Lets requests pass that bring the tokens which are asked of them. */
export class JwtFilter implements HttpFilter, VerificationContext {
  readonly #config: JwtConfig;
  readonly #callbacks: FilterCallbacks;
  readonly stats: JwtStats;
  rerouted = false;
  #metadata: Record<string, unknown> | undefined = undefined;
  #calls: Cancelable[] | undefined = undefined;
  #held = false;
  #over = false;
  #realm = '';

  constructor(config: JwtConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.stats = config.stats;
  }

  get headers(): Headers {
    return this.#callbacks.requestHeaders;
  }

  get now(): number {
    return Math.floor(this.#callbacks.timers.wallClock() / 1000);
  }

  readonly note = (key: string, value: object): void => {
    (this.#metadata ??= {})[key] = value;
  };

  track(call: Cancelable): void {
    (this.#calls ??= []).push(call);
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { bypassCorsPreflight, named } = this.#config;
    if (bypassCorsPreflight && isPreflight(headers)) {
      this.stats.cors_preflight_bypassed++;
      this.stats.allowed++;
      return HeadersStatus.Continue;
    }
    const route = this.#callbacks.routeConfig<JwtRouteConfig>();
    let requirement: Requirement | undefined;
    if (route === undefined) requirement = this.#config.requirementFor(headers, this.#callbacks);
    else if ('requirement' in route) {
      requirement = named.get(route.requirement);
      if (requirement === undefined) {
        this.#refuseName(route.requirement);
        return HeadersStatus.StopAll;
      }
    }
    if (requirement === undefined) {
      this.stats.allowed++;
      return HeadersStatus.Continue;
    }
    const path = headers.get('x-envoy-original-path') ?? headers.path;
    const scheme = headers.get('x-forwarded-proto') ?? headers.scheme;
    this.#realm = `${scheme}://${headers.authority}${path.slice(0, MAX_PATH)}`;
    let status: JwtStatus | undefined;
    this.#held = false;
    requirement(this, (result) => {
      if (this.#held) this.#finishLater(result);
      else status = result;
    });
    if (status === undefined) {
      this.#held = true;
      return HeadersStatus.StopAll;
    }
    return this.#finish(status) ? HeadersStatus.Continue : HeadersStatus.StopAll;
  }

  #finishLater(status: JwtStatus): void {
    if (!this.#over && this.#finish(status)) this.#callbacks.continueRequest();
  }

  #finish(status: JwtStatus): boolean {
    const { info } = this.#callbacks;
    if (this.#metadata !== undefined) info.setDynamicMetadata('envoy.filters.http.jwt_authn', this.#metadata);
    // A token that was good counts for the route, even if another one was not and the answer is ours.
    if (this.rerouted) this.#callbacks.clearRouteCache();
    if (status !== JwtStatus.Ok) {
      this.#refuse(status);
      return false;
    }
    this.stats.allowed++;
    return true;
  }

  #refuse(status: JwtStatus): void {
    const { stripFailureResponse } = this.#config;
    const error = status === JwtStatus.Missed ? '' : ', error="invalid_token"';
    const challenge = `Bearer realm="${this.#realm}"${error}`;
    this.stats.denied++;
    this.#callbacks.sendLocalReply({
      status: status === JwtStatus.AudienceNotAllowed ? 403 : 401,
      body: stripFailureResponse ? '' : status.text,
      details: details(status.text),
      edit: stripFailureResponse ? undefined : (headers) => headers.set('www-authenticate', challenge),
    });
  }

  #refuseName(name: string): void {
    const names = [...this.#config.named.keys()].sort().join(',');
    const text = `Wrong requirement_name: ${name}. It should be one of [${names}]`;
    this.stats.denied++;
    this.#callbacks.sendLocalReply({
      status: 403,
      body: this.#config.stripFailureResponse ? '' : `Failed JWT authentication: ${text}`,
      details: details(text),
    });
  }

  destroy(): void {
    this.#over = true;
    for (const call of this.#calls ?? []) call.cancel();
  }
}

function details(text: string): string {
  return `jwt_authn_access_denied{${text.replaceAll(' ', '_')}}`;
}

function isPreflight(headers: Headers): boolean {
  return (
    headers.method === 'OPTIONS' &&
    Boolean(headers.get('origin')) &&
    Boolean(headers.get('access-control-request-method'))
  );
}
