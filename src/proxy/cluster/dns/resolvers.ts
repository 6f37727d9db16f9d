import type { StatsStore } from '../../observe/stats.ts';
import { DnsResolver, DnsStats, type ResolverOptions } from './resolver.ts';

/** The resolvers of a proxy: one for all clusters that ask in the same way. */
export class DnsResolvers {
  readonly #stats: StatsStore;
  readonly #byOptions = new Map<string, DnsResolver>();
  #counters: DnsStats | undefined = undefined;

  constructor(stats: StatsStore) {
    this.#stats = stats;
  }

  get(options: ResolverOptions): DnsResolver {
    const key = JSON.stringify(options);
    let resolver = this.#byOptions.get(key);
    if (resolver === undefined) {
      resolver = new DnsResolver(options, this.#sharedStats());
      this.#byOptions.set(key, resolver);
    }
    return resolver;
  }

  #sharedStats(): DnsStats {
    if (this.#counters === undefined) this.#stats.add('dns.cares.', (this.#counters = new DnsStats()));
    return this.#counters;
  }
}
