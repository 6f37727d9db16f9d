import type { StatsStore } from '../../observe/stats.ts';
import { DnsResolver, DnsStats, type ResolverOptions } from './resolver.ts';

/** The resolvers of a proxy: one for all clusters that ask in the same way. */
export class DnsResolvers {
  readonly #stats: StatsStore;
  readonly #byOptions = new Map<string, DnsResolver>();
  readonly #hostsFile: string | undefined;
  #counters: DnsStats | undefined = undefined;

  /** `hostsFile` counts before the machine's own. */
  constructor(stats: StatsStore, hostsFile: string | undefined) {
    this.#stats = stats;
    this.#hostsFile = hostsFile;
  }

  get(options: ResolverOptions): DnsResolver {
    const key = JSON.stringify(options);
    let resolver = this.#byOptions.get(key);
    if (resolver === undefined) {
      resolver = new DnsResolver(options, this.#sharedStats(), this.#hostsFile);
      this.#byOptions.set(key, resolver);
    }
    return resolver;
  }

  #sharedStats(): DnsStats {
    if (this.#counters === undefined) this.#stats.add('dns.cares.', (this.#counters = new DnsStats()));
    return this.#counters;
  }
}
