import { murmurHash2 } from '../../base/murmurhash2.ts';
import { xxhash64 } from '../../base/xxhash64.ts';
import type { Host } from '../cluster/host.ts';
import { StatGroup } from '../observe/stats.ts';
import { type HashOptions, hashPolicy } from './hash-balancer.ts';
import { hashKey } from './hash-key.ts';
import type { HashTable } from './hash-table.ts';
import type { Policy } from './load-balancer.ts';
import type { HostShare } from './normalized-weights.ts';

/** Envoy's `ring_hash_lb.`. */
class RingStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['size', 'min_hashes_per_host', 'max_hashes_per_host']);
  size = 0;
  min_hashes_per_host = 0;
  max_hashes_per_host = 0;
}

/** `ring_hash_lb_config`, with Envoy's defaults filled in. */
export interface RingOptions extends HashOptions {
  readonly minimumSize: number;
  readonly maximumSize: number;
  readonly murmur: boolean;
}

export const DEFAULT_MINIMUM_RING_SIZE = 1024;
export const MAXIMUM_RING_SIZE = 8 * 1024 * 1024;

/**
 * A ring of hashes, each of which belongs to a host; a request goes to the owner of the next hash at or after its own
 * (Ketama). Hashes are kept in halves: comparing numbers is cheaper than comparing bigints.
 */
class Ring implements HashTable {
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #owners: readonly Host[];

  constructor(shares: readonly HostShare[], options: RingOptions, stats: RingStats) {
    const hash = options.murmur ? murmurHash2 : xxhash64;
    const smallest = shares.reduce((least, { share }) => Math.min(least, share), 1);
    // The least of the hosts gets a whole number of hashes, unless that makes the ring too large.
    const scale = Math.min(Math.ceil(smallest * options.minimumSize) / smallest, options.maximumSize);
    const size = Math.ceil(scale);
    const entries: { readonly hash: bigint; readonly host: Host }[] = [];
    let least = size;
    let most = 0;
    let target = 0;
    for (const { host, share } of shares) {
      const key = `${hashKey(host, options.useHostname)}_`;
      // Shares need not be whole numbers of hashes: what is owed is carried over to the next host.
      target += scale * share;
      let count = 0;
      for (; entries.length < target; count++) entries.push({ hash: hash(key + count), host });
      least = Math.min(least, count);
      most = Math.max(most, count);
    }
    entries.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
    this.#high = Uint32Array.from(entries, (entry) => Number(entry.hash >> 32n));
    this.#low = Uint32Array.from(entries, (entry) => Number(BigInt.asUintN(32, entry.hash)));
    this.#owners = entries.map((entry) => entry.host);
    stats.size = size;
    stats.min_hashes_per_host = least;
    stats.max_hashes_per_host = most;
  }

  pick(hash: bigint, attempt: number): Host {
    const owners = this.#owners;
    return owners[(this.#find(Number(hash >> 32n), Number(BigInt.asUintN(32, hash))) + attempt) % owners.length];
  }

  /** The first entry at or after a hash, which may be one past the end. */
  #find(high: number, low: number): number {
    const highs = this.#high;
    let from = 0;
    let to = highs.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const other = highs[middle];
      if (other < high || (other === high && this.#low[middle] < low)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** `RING_HASH`. */
export function ringHash(options: RingOptions): Policy {
  return hashPolicy(
    'envoy.load_balancing_policies.ring_hash',
    {
      statPrefix: 'ring_hash_lb.',
      newStats: () => new RingStats(),
      build: (shares, stats) => new Ring(shares, options, stats as RingStats),
    },
    options,
  );
}
