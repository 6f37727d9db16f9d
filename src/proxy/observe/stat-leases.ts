import type { StatGroup, StatLease, StatsStore } from './stats.ts';

/** The statistics under a name that stands behind a common prefix; filters of one name count together. */
export type AcquireStats = <Group extends StatGroup>(name: string, make: new () => Group) => Group;

/** Groups of statistics under one prefix, which are shown until the configuration that they belong to goes. */
export class StatLeases {
  readonly #store: StatsStore;
  readonly #prefix: string;
  readonly #leases: StatLease<StatGroup>[] = [];

  constructor(store: StatsStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  readonly acquire: AcquireStats = <Group extends StatGroup>(name: string, make: new () => Group): Group => {
    const lease = this.#store.acquire(this.#prefix + name, make);
    this.#leases.push(lease);
    return lease.group;
  };

  release(): void {
    for (const lease of this.#leases) lease.release();
  }
}
