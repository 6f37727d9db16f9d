import type { WorkerContext } from '../../context.ts';
import { StatGroup, type StatLease } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();

/** Verdicts of a service about the requests to one cluster. As in Envoy, what never occurred is not shown. */
export class VerdictStats extends StatGroup {
  readonly gauges = GAUGES;
  readonly #counts = new Map<string, number>();

  /** `name`: what the verdict is called, such as `ok`. */
  count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#counts;
  }

  override clearDynamic(): void {
    for (const name of this.#counts.keys()) this.#counts.set(name, 0);
  }
}

/** Statistics that a filter keeps for each cluster that its requests are meant for, from the first request on. */
export class StatsByCluster {
  readonly #worker: WorkerContext;
  readonly #name: string;
  readonly #leases = new Map<string, StatLease<VerdictStats>>();

  /** `name`: what stands behind the cluster's name, such as `ext_authz.`. */
  constructor(worker: WorkerContext, name: string) {
    this.#worker = worker;
    this.#name = name;
  }

  /** Statistics of a cluster by the name that it has in statistics; there are as many as clusters. */
  of(cluster: string): VerdictStats {
    let lease = this.#leases.get(cluster);
    if (lease === undefined) {
      lease = this.#worker.stats.acquire(`cluster.${cluster}.${this.#name}`, VerdictStats);
      this.#leases.set(cluster, lease);
    }
    return lease.group;
  }

  release(): void {
    for (const lease of this.#leases.values()) lease.release();
  }
}
