import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import { DYNAMIC_HOST, DYNAMIC_PORT } from '../observe/filter-state.ts';
import type { Cancelable, HostFailure, LoadBalancerContext } from './cluster.ts';
import type { ClusterConfig } from './config.ts';
import { formatAuthority, splitAuthority } from './dns/authority.ts';
import type { CachedName, CacheLease, NameCache } from './dns/cache-source.ts';
import { CACHE_OVERFLOW, dnsFailure, PENDING_OVERFLOW } from './dns/failure-details.ts';
import type { ClusterEnvironment } from './environment.ts';
import { Host } from './host.ts';
import { describe } from './original-dst.ts';
import { RuntimeCluster } from './runtime-cluster.ts';
import type { MatchedSocket } from './upstream-socket.ts';

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/**
 * A cluster whose hosts are those that requests name (`envoy.clusters.dynamic_forward_proxy`). Mostly a filter has seen
 * to it that the name is in the cache by the time that a host is picked; otherwise it is looked for then.
 */
export class ForwardProxyCluster extends RuntimeCluster {
  readonly #hosts = new Map<string, Host>();
  readonly #cache: NameCache;
  readonly #stopListening: () => void;
  readonly #release: () => void;

  constructor(
    config: ClusterConfig,
    sockets: readonly MatchedSocket[],
    filters: readonly UpstreamFilterFactory[],
    environment: ClusterEnvironment,
    { cache, release }: CacheLease,
  ) {
    super(config, sockets, filters, environment);
    this.#cache = cache;
    this.#release = release;
    const { names, stop } = cache.listen({
      onAddress: (name) => this.#settle(name),
      onRemoved: (name) => this.#forget(name),
    });
    this.#stopListening = stop;
    for (const name of names) this.#settle(name);
  }

  override get forwardProxyPort(): number {
    return this.secure ? HTTPS_PORT : HTTP_PORT;
  }

  override get size(): number {
    return this.#hosts.size;
  }

  override get hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  override pick(context: LoadBalancerContext): Host | undefined {
    const target = this.#target(context);
    if (target === undefined) return undefined;
    const key = formatAuthority(target.host, target.port);
    this.#cache.touch(key);
    return this.#hosts.get(key);
  }

  find(context: LoadBalancerContext, onHost: (found: Host | HostFailure) => void): Cancelable | undefined {
    const target = this.#target(context);
    if (target === undefined) return undefined;
    const answer = ({ key, failure }: CachedName) => onHost(this.#hosts.get(key) ?? { failure: dnsFailure(failure) });
    const lookup = this.#cache.lookUp(formatAuthority(target.host, target.port), target.port, answer);
    if (lookup.kind === 'pending') return lookup;
    if (lookup.kind === 'known') answer(lookup.name);
    else onHost({ failure: lookup.kind === 'overflow' ? CACHE_OVERFLOW : PENDING_OVERFLOW });
    return undefined;
  }

  #target({
    info,
    headers,
    downstream,
  }: LoadBalancerContext): { readonly host: string; readonly port: number } | undefined {
    const given = info?.getFilterState(DYNAMIC_HOST) as string | undefined;
    const authority = given ?? headers?.authority ?? downstream?.requestedServerName ?? '';
    if (authority === '') return undefined;
    const { host, port } = splitAuthority(authority);
    const dynamicPort = info?.getFilterState(DYNAMIC_PORT) as number | undefined;
    return { host, port: port ?? dynamicPort ?? this.forwardProxyPort };
  }

  #settle({ key, addresses: [first, ...others] }: CachedName): void {
    if (first === undefined) return;
    const description = { ...describe(first, key), otherAddresses: others };
    const known = this.#hosts.get(key);
    if (known !== undefined) {
      // Connections to where it was stay.
      known.describe(description);
      return;
    }
    const host = new Host(description, this.now());
    this.#hosts.set(key, host);
    this.addHost(host);
  }

  #forget({ key }: CachedName): void {
    const host = this.#hosts.get(key);
    if (host === undefined) return;
    this.#hosts.delete(key);
    this.removeHosts([host]);
  }

  override drain(): void {
    this.#stopListening();
    super.drain();
    this.#release();
  }
}
