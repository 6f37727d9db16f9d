import type { DnsCacheConfig as Proto } from '../../../api/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { WorkerContext } from '../../context.ts';
import type { StatLease } from '../../observe/stats.ts';
import { DnsCache } from './cache.ts';
import { dnsCacheConfig } from './cache-config.ts';
import type { CacheLease, DnsCacheSource } from './cache-source.ts';
import { DnsCacheStats } from './cache-stats.ts';
import type { ResolverOptions } from './resolver.ts';
import type { DnsResolvers } from './resolvers.ts';

interface Shared {
  readonly cache: DnsCache;
  readonly stats: StatLease<DnsCacheStats>;
  users: number;
}

/** The caches of a worker by name. */
export class DnsCaches implements DnsCacheSource {
  readonly #worker: WorkerContext;
  readonly #resolvers: DnsResolvers;
  readonly #otherwise: ResolverOptions;
  readonly #shared = new Map<string, Shared>();

  /** `otherwise` is the resolver of caches that name none. */
  constructor(worker: WorkerContext, resolvers: DnsResolvers, otherwise: ResolverOptions) {
    this.#worker = worker;
    this.#resolvers = resolvers;
    this.#otherwise = otherwise;
  }

  acquire(proto: Proto | undefined, errors: ConfigErrors): CacheLease | undefined {
    const config = dnsCacheConfig(proto, this.#otherwise, errors);
    if (config === undefined || errors.any) return undefined;
    let shared = this.#shared.get(config.name);
    if (shared === undefined) {
      const stats = this.#worker.stats.acquire(`dns_cache.${config.name}.`, DnsCacheStats);
      const resolver = this.#resolvers.get(config.resolver);
      shared = { cache: new DnsCache(config, resolver, stats.group, this.#worker), stats, users: 0 };
      this.#shared.set(config.name, shared);
    } else if (shared.cache.config.identity !== config.identity) {
      errors.add('', `specified DNS cache '${config.name}' with different settings`);
      return undefined;
    }
    const held = shared;
    held.users++;
    let released = false;
    return {
      cache: held.cache,
      release: () => {
        if (released) return;
        released = true;
        if (--held.users > 0) return;
        this.#shared.delete(config.name);
        held.cache.close();
        held.stats.release();
      },
    };
  }
}
