import type { Host } from '../cluster/host.ts';
import type { HashTable } from './hash-table.ts';
import type { BalancerCounters } from './load-balancer.ts';
import { MersenneTwister } from './mersenne-twister.ts';
import type { HostShare } from './normalized-weights.ts';

/**
 * A hash table whose hosts take no more than `factor` percent of their share of the requests under way (consistent
 * hashing with bounded loads, arXiv:1608.01350). What is above goes to another host, the same one for the same hash.
 */
export class BoundedLoad implements HashTable {
  readonly #table: HashTable;
  readonly #shares: readonly HostShare[];
  readonly #shareOf: ReadonlyMap<Host, number>;
  readonly #factor: number;
  readonly #counters: BalancerCounters;

  constructor(table: HashTable, shares: readonly HostShare[], factor: number, counters: BalancerCounters) {
    this.#table = table;
    this.#shares = shares;
    this.#shareOf = new Map(shares.map(({ host, share }) => [host, share]));
    this.#factor = factor;
    this.#counters = counters;
  }

  pick(hash: bigint, attempt: number): Host | undefined {
    const host = this.#table.pick(hash, attempt);
    if (host === undefined) return undefined;
    const load = this.#load(host, this.#shareOf.get(host)!);
    return load <= 1 ? host : this.#another(hash, host, load);
  }

  /** How full a host is; above 1 it takes no more. */
  #load(host: Host, share: number): number {
    const total = Math.floor(((this.#counters.upstream_rq_active + 1) * this.#factor + 99) / 100);
    return host.stats.rq_active / Math.max(1, Math.ceil(total * share));
  }

  /** Tries the others in an order that the hash decides; the least loaded one if all are full. */
  #another(hash: bigint, full: Host, load: number): Host {
    const shares = this.#shares;
    const random = new MersenneTwister(Number(BigInt.asUintN(32, hash)));
    const order = Array.from(shares, (_, i) => i);
    let best = full;
    let least = load;
    for (let i = 0; i < order.length; i++) {
      const j = i + random.below(order.length - i);
      [order[i], order[j]] = [order[j], order[i]];
      const { host, share } = shares[order[i]];
      if (host === full) continue;
      const other = this.#load(host, share);
      if (other <= 1) return host;
      if (other < least) {
        best = host;
        least = other;
      }
    }
    return best;
  }
}
