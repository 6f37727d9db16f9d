import type { NameCache } from '../../cluster/dns/cache-source.ts';
import { CACHE_OVERFLOW, PENDING_OVERFLOW } from '../../cluster/dns/failure-details.ts';
import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { DYNAMIC_HOST, DYNAMIC_PORT } from '../../observe/filter-state.ts';

/** Holds a connection until the name in its SNI has an address, or is known to have none: the cluster then has no host. */
export class SniForwardProxyFilter implements NetworkFilter {
  readonly #cache: NameCache;
  readonly #port: number;
  readonly #callbacks: NetworkFilterCallbacks;
  #lookup: { cancel(): void } | undefined = undefined;

  constructor(cache: NameCache, port: number, callbacks: NetworkFilterCallbacks) {
    this.#cache = cache;
    this.#port = port;
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkStatus {
    const { connection, info } = this.#callbacks;
    const host = (info.getFilterState(DYNAMIC_HOST) as string | undefined) ?? connection.requestedServerName;
    if (host === '') return NetworkStatus.Continue;
    const port = (info.getFilterState(DYNAMIC_PORT) as number | undefined) ?? this.#port;
    // The cluster looks for the host by this port as well.
    info.setFilterState(DYNAMIC_PORT, port);
    const lookup = this.#cache.lookUp(host, port, () => {
      this.#lookup = undefined;
      this.#callbacks.continueReading();
    });
    if (lookup.kind === 'known') return NetworkStatus.Continue;
    if (lookup.kind === 'pending') this.#lookup = lookup;
    else connection.close(lookup.kind === 'overflow' ? CACHE_OVERFLOW : PENDING_OVERFLOW);
    return NetworkStatus.Stop;
  }

  onClose(): void {
    this.#lookup?.cancel();
  }
}
