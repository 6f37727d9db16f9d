import { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import { StatGroup } from '../../observe/stats.ts';

/** Statistics of the CORS filter (Envoy's `http.STAT_PREFIX.cors.`). */
export class CorsStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  origin_valid = 0;
  origin_invalid = 0;
}

/** `envoy.extensions.filters.http.cors.v3.CorsPolicy`; what is empty or undefined is left to a less specific policy. */
export interface CorsPolicy {
  readonly allowsOrigin: ((origin: string) => boolean) | undefined;
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  /** Seconds as text, sent as it is. */
  readonly maxAge: string;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  readonly forwardNotMatchingPreflights: boolean | undefined;
  /** Shares of requests, 0 to 1. */
  readonly enabled: number;
  readonly shadowEnabled: number;
}

/** Answers preflight requests, and tells browsers which responses an origin may read. */
export class CorsFilter implements HttpFilter {
  readonly #stats: CorsStats;
  /** Least specific first. */
  readonly #policies: readonly CorsPolicy[];
  readonly #callbacks: FilterCallbacks;
  /** Origin that may read the response. */
  #origin = '';

  constructor(stats: CorsStats, policies: readonly CorsPolicy[], callbacks: FilterCallbacks) {
    this.#stats = stats;
    this.#policies = policies;
    this.#callbacks = callbacks;
  }

  /** What the most specific policy that says anything about it says. */
  #find<T>(of: (policy: CorsPolicy) => T | undefined | ''): T | undefined {
    for (let i = this.#policies.length - 1; i >= 0; i--) {
      const value = of(this.#policies[i]);
      if (value !== undefined && value !== '') return value;
    }
    return undefined;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { random } = this.#callbacks;
    const policy = this.#policies.at(-1)!;
    const takes = (share: number) => share >= 1 || (share > 0 && random() < share);
    const enabled = takes(policy.enabled);
    if (!enabled && !takes(policy.shadowEnabled)) return HeadersStatus.Continue;
    const origin = headers.getJoined('origin');
    if (!origin) return HeadersStatus.Continue;
    const allowed = this.#find((p) => p.allowsOrigin)?.(origin) ?? false;
    if (allowed) this.#stats.origin_valid++;
    else this.#stats.origin_invalid++;
    if (!enabled) return HeadersStatus.Continue;
    if (allowed) this.#origin = origin;
    const forwards = this.#find((p) => p.forwardNotMatchingPreflights) ?? true;
    if (!isPreflight(headers) || (!allowed && forwards)) return HeadersStatus.Continue;
    this.#callbacks.info.responseCodeDetails = 'cors_response';
    this.#callbacks.respondHeaders(this.#preflight(headers), true);
    return HeadersStatus.StopAll;
  }

  #preflight(request: Headers): Headers {
    const response = Headers.response(200);
    if (this.#origin !== '') response.add('access-control-allow-origin', this.#origin);
    if (this.#find((p) => p.allowCredentials)) response.add('access-control-allow-credentials', 'true');
    this.#allow(
      response,
      'methods',
      this.#find((p) => p.allowMethods),
      request.get('access-control-request-method'),
    );
    this.#allow(
      response,
      'headers',
      this.#find((p) => p.allowHeaders),
      request.getJoined('access-control-request-headers'),
    );
    const maxAge = this.#find((p) => p.maxAge);
    if (maxAge) response.add('access-control-max-age', maxAge);
    const privateNetwork = request.get('access-control-request-private-network') === 'true';
    if (privateNetwork && this.#find((p) => p.allowPrivateNetworkAccess)) {
      response.add('access-control-allow-private-network', 'true');
    }
    return response;
  }

  /** `*` in a policy allows what was asked for. */
  #allow(response: Headers, what: 'methods' | 'headers', allowed: string | undefined, asked = ''): void {
    if (allowed) response.add(`access-control-allow-${what}`, allowed === '*' ? asked : allowed);
  }

  responseHeaders(headers: Headers): HeadersStatus {
    if (this.#origin === '') return HeadersStatus.Continue;
    headers.set('access-control-allow-origin', this.#origin);
    if (this.#find((p) => p.allowCredentials)) headers.set('access-control-allow-credentials', 'true');
    const expose = this.#find((p) => p.exposeHeaders);
    if (expose) headers.set('access-control-expose-headers', expose);
    return HeadersStatus.Continue;
  }
}

/** The request by which a browser asks whether it may send another one. */
function isPreflight(headers: Headers): boolean {
  return headers.method === 'OPTIONS' && Boolean(headers.get('access-control-request-method'));
}
