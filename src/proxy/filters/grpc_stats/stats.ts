import { Histogram } from '../../observe/histogram.ts';
import { type AcquireStats, StatLeases } from '../../observe/stat-leases.ts';
import { StatGroup, type StatsStore } from '../../observe/stats.ts';

const NO_GAUGES: ReadonlySet<string> = new Set();

/** Statistics of the calls of one method, or of all, to a cluster (Envoy's `cluster.NAME.grpc.`). */
export class GrpcCallStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  readonly upstream_rq_time = new Histogram(true);
  readonly #counters = new Map<string, number>();

  count(name: string, amount: number): void {
    if (amount > 0) this.#counters.set(name, (this.#counters.get(name) ?? 0) + amount);
  }

  countStatus(status: string): void {
    this.count(status, 1);
    this.count(status === '0' ? 'success' : 'failure', 1);
    this.count('total', 1);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#counters;
  }

  override clearDynamic(): void {
    this.#counters.clear();
  }
}

/** Paths of requests make names of statistics, so there is an end to them; what comes later is counted without a method. */
const MAX_GROUPS = 1000;

/** The groups of one filter, found without putting names together for every call. */
export class GrpcStatGroups {
  readonly #leases: StatLeases;
  readonly #byCluster = new Map<string, Map<string, GrpcCallStats>>();
  #count = 0;

  constructor(store: StatsStore) {
    this.#leases = new StatLeases(store, 'cluster.');
  }

  /** `method` is `SERVICE.METHOD`, or empty for all. */
  get(cluster: string, method: string): GrpcCallStats {
    let groups = this.#byCluster.get(cluster);
    if (groups === undefined) this.#byCluster.set(cluster, (groups = new Map()));
    const known = groups.get(method);
    if (known !== undefined) return known;
    if (method !== '' && this.#count >= MAX_GROUPS) return this.get(cluster, '');
    this.#count++;
    const group = (this.#leases.acquire as AcquireStats)(
      `${cluster}.grpc.${method === '' ? '' : `${method}.`}`,
      GrpcCallStats,
    );
    groups.set(method, group);
    return group;
  }

  release(): void {
    this.#leases.release();
  }
}
