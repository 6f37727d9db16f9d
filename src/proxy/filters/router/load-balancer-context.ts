import type { Headers } from '../../../wire/headers.ts';
import type { LoadBalancerContext } from '../../cluster/cluster.ts';
import type { Host, Metadata } from '../../cluster/host.ts';
import type { Connection } from '../../net/connection.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { ChosenCluster, RouteAction } from '../../router/route.ts';
import type { RetryState } from './retry-state.ts';

/** What load balancers are told of one request that the router sends (Envoy's `LoadBalancerContext` of its router). */
export class RouterLoadBalancerContext implements LoadBalancerContext {
  readonly headers: Headers;
  readonly downstream: Connection;
  readonly info: StreamInfo;
  readonly #action: RouteAction;
  readonly #chosen: ChosenCluster;
  #retry: RetryState | undefined = undefined;
  #setCookies: string[] | undefined = undefined;
  shiftPriorities: LoadBalancerContext['shiftPriorities'] = undefined;

  constructor(headers: Headers, downstream: Connection, info: StreamInfo, action: RouteAction, chosen: ChosenCluster) {
    this.headers = headers;
    this.downstream = downstream;
    this.info = info;
    this.#action = action;
    this.#chosen = chosen;
  }

  /** Hosts and priorities that were tried are known to the retry state, while there is one. */
  set retry(retry: RetryState | undefined) {
    this.#retry = retry;
    const priorities = retry?.priorities;
    if (priorities) this.shiftPriorities = (state) => priorities.loads(state);
  }

  /** Cookies that the hash policies made for the client: values of `set-cookie` for the response. */
  get setCookies(): readonly string[] {
    return this.#setCookies ?? NO_COOKIES;
  }

  get hash(): bigint | undefined {
    return this.#action.hash?.(this.headers, this.info, (cookie) => {
      this.#setCookies ??= [];
      if (!this.#setCookies.includes(cookie)) this.#setCookies.push(cookie);
    });
  }

  get metadataMatch(): Metadata | undefined {
    return this.#chosen.metadataMatch ?? this.#action.metadataMatch;
  }

  get overrideAddress(): string | undefined {
    // A retry goes elsewhere.
    return this.info.attemptCount > 1 ? undefined : this.info.overrideHost?.address;
  }

  get overrideStrict(): boolean {
    return this.info.overrideHost?.strict ?? false;
  }

  get hostAttempts(): number {
    return this.#action.retry.hostAttempts;
  }

  rejects(host: Host): boolean {
    return this.#retry?.rejects(host) ?? false;
  }
}

const NO_COOKIES: readonly string[] = [];
