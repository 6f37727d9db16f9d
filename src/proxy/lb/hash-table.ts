import type { Host } from '../cluster/host.ts';

/** A table from hashes to hosts. */
export interface HashTable {
  /** `attempt` counts from 0; further attempts for the same hash give other hosts, if there are any. */
  pick(hash: bigint, attempt: number): Host | undefined;
}
