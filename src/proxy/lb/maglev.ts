import { xxhash64 } from '../../base/xxhash64.ts';
import type { Host } from '../cluster/host.ts';
import { StatGroup } from '../observe/stats.ts';
import { type HashOptions, hashPolicy } from './hash-balancer.ts';
import { hashKey } from './hash-key.ts';
import type { HashTable } from './hash-table.ts';
import type { Policy } from './load-balancer.ts';
import type { HostShare } from './normalized-weights.ts';

/** Envoy's `maglev_lb.`. */
class MaglevStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['min_entries_per_host', 'max_entries_per_host']);
  min_entries_per_host = 0;
  max_entries_per_host = 0;
}

/** `maglev_lb_config`, with Envoy's defaults filled in. */
export interface MaglevOptions extends HashOptions {
  /** A prime. */
  readonly tableSize: number;
}

export const DEFAULT_TABLE_SIZE = 65_537;
export const MAXIMUM_TABLE_SIZE = 5_000_011;

interface Entry {
  readonly offset: number;
  readonly skip: number;
  readonly share: number;
  target: number;
  next: number;
  count: number;
}

const NOBODY = 0xffffffff;

/**
 * A table of fixed size that every host fills in an order of its own, in turns (Eisenbud et al., "Maglev", section 3.4;
 * hosts of less weight sit out turns).
 */
class MaglevTable implements HashTable {
  readonly #hosts: readonly Host[];
  /** Indexes of hosts. */
  readonly #table: Uint32Array;
  readonly #size: bigint;

  constructor(shares: readonly HostShare[], { tableSize, useHostname }: MaglevOptions, stats: MaglevStats) {
    const size = BigInt(tableSize);
    const sorted = shares
      .map(({ host, share }) => ({ host, share, key: hashKey(host, useHostname) }))
      .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const entries = sorted.map(
      ({ share, key }): Entry => ({
        offset: Number(xxhash64(key) % size),
        skip: Number(xxhash64(key, 1n) % (size - 1n)) + 1,
        share,
        target: 0,
        next: 0,
        count: 0,
      }),
    );
    this.#size = size;
    this.#hosts = sorted.map(({ host }) => host);
    this.#table = fill(
      entries,
      tableSize,
      shares.reduce((most, { share }) => Math.max(most, share), 0),
    );
    stats.min_entries_per_host = entries.reduce((least, { count }) => Math.min(least, count), tableSize);
    stats.max_entries_per_host = entries.reduce((most, { count }) => Math.max(most, count), 0);
  }

  pick(hash: bigint, attempt: number): Host {
    // Another attempt looks in a place far away, lest all of them end up with the same other host.
    const place = attempt === 0 ? hash : hash ^ BigInt.asUintN(64, -BigInt(attempt));
    return this.#hosts[this.#table[Number(place % this.#size)]];
  }
}

function fill(entries: readonly Entry[], size: number, largest: number): Uint32Array {
  const table = new Uint32Array(size).fill(NOBODY);
  let filled = 0;
  for (let turn = 1; filled < size; turn++) {
    for (let i = 0; i < entries.length && filled < size; i++) {
      const entry = entries[i];
      if (turn * entry.share < entry.target) continue;
      entry.target += largest;
      let place: number;
      do place = (entry.offset + entry.skip * entry.next++) % size;
      while (table[place] !== NOBODY);
      table[place] = i;
      entry.count++;
      filled++;
    }
  }
  return table;
}

/** `MAGLEV`. */
export function maglev(options: MaglevOptions): Policy {
  return hashPolicy(
    'envoy.load_balancing_policies.maglev',
    {
      statPrefix: 'maglev_lb.',
      newStats: () => new MaglevStats(),
      build: (shares, stats) => new MaglevTable(shares, options, stats as MaglevStats),
    },
    options,
  );
}
