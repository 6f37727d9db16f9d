import type { Headers } from '../../../wire/headers.ts';
import type { CachedName, NameCache } from '../../cluster/dns/cache-source.ts';
import { CACHE_OVERFLOW, dnsFailure } from '../../cluster/dns/failure-details.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter, type LocalReply } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';

/** `PerRouteConfig`: what the request's host is changed to before it is looked for. */
export type HostRewrite = { readonly literal: string } | { readonly header: string };

const TOO_MANY_NAMES: LocalReply = { status: 503, body: 'DNS cache overflow', details: CACHE_OVERFLOW };

const TOO_MANY_WAIT: LocalReply = {
  status: 503,
  body: 'Dynamic forward proxy pending request overflow',
  details: 'dynamic_forward_proxy_pending_request_overflow',
};

/** Holds a request that goes to a dynamic forward proxy until the name of its host has an address. */
export class DynamicForwardProxyFilter implements HttpFilter {
  readonly #cache: NameCache;
  readonly #callbacks: FilterCallbacks;
  #lookup: { cancel(): void } | undefined = undefined;

  constructor(cache: NameCache, callbacks: FilterCallbacks) {
    this.#cache = cache;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { clusters, chosenCluster } = this.#callbacks;
    const defaultPort = chosenCluster && clusters.get(chosenCluster.name)?.forwardProxyPort;
    if (defaultPort === undefined) return HeadersStatus.Continue;
    this.#rewrite(headers);
    const lookup = this.#cache.lookUp(headers.authority, defaultPort, (name) => this.#answered(name));
    switch (lookup.kind) {
      case 'known':
        return this.#passes(lookup.name) ? HeadersStatus.Continue : HeadersStatus.StopAll;
      case 'pending':
        this.#lookup = lookup;
        return HeadersStatus.StopAll;
      default:
        this.#callbacks.sendLocalReply(lookup.kind === 'overflow' ? TOO_MANY_NAMES : TOO_MANY_WAIT);
        return HeadersStatus.StopAll;
    }
  }

  #rewrite(headers: Headers): void {
    const rewrite = this.#callbacks.routeConfig<HostRewrite>();
    if (rewrite === undefined) return;
    const host = 'literal' in rewrite ? rewrite.literal : headers.get(rewrite.header);
    if (host !== undefined && host !== '') headers.authority = host;
  }

  #answered(name: CachedName): void {
    this.#lookup = undefined;
    if (this.#passes(name)) this.#callbacks.continueRequest();
  }

  #passes({ addresses, failure }: CachedName): boolean {
    if (addresses.length > 0) return true;
    this.#callbacks.sendLocalReply({
      status: 503,
      body: 'DNS resolution failure',
      details: dnsFailure(failure),
      flags: ResponseFlag.DnsResolutionFailed,
    });
    return false;
  }

  destroy(): void {
    this.#lookup?.cancel();
  }
}
