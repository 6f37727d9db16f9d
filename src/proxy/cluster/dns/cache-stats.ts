import { type ComputedStat, StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set(['num_hosts']);

/** Envoy's `dns_cache.NAME.`. */
export class DnsCacheStats extends StatGroup {
  readonly gauges = GAUGES;
  dns_query_attempt = 0;
  dns_query_failure = 0;
  dns_query_success = 0;
  dns_query_timeout = 0;
  dns_rq_pending_overflow = 0;
  host_added = 0;
  host_address_changed = 0;
  host_overflow = 0;
  host_removed = 0;
  num_hosts = 0;
  // Nothing is read from a store of the last run, and no address is filtered.
  override readonly absent = { counters: ['cache_load', 'dns_address_filter_out'] };
  /** Set by the cache that counts here. */
  readonly pending: { inUse: number; max: number } = { inUse: 0, max: 0 };
  override readonly computed = COMPUTED;
}

const COMPUTED: readonly ComputedStat<never>[] = [
  {
    name: 'circuit_breakers.rq_pending_open',
    kind: 'gauge',
    value: ({ pending }: DnsCacheStats) => (pending.inUse > 0 && pending.inUse >= pending.max ? 1 : 0),
  },
  {
    name: 'circuit_breakers.rq_pending_remaining',
    kind: 'gauge',
    value: ({ pending }: DnsCacheStats) => Math.max(0, pending.max - pending.inUse),
  },
];
