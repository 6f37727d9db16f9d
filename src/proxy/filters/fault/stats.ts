import { StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set(['active_faults']);
/** Names come from a header of requests, so there is an end to them. */
const MAX_CLUSTERS = 1000;

/** Statistics of the fault filter (Envoy's `http.STAT_PREFIX.fault.`). */
export class FaultStats extends StatGroup {
  readonly gauges = GAUGES;
  aborts_injected = 0;
  delays_injected = 0;
  faults_overflow = 0;
  response_rl_injected = 0;
  active_faults = 0;
  readonly #byCluster = new Map<string, number>();

  /** Counts a fault of the service that x-envoy-downstream-service-cluster names as well. */
  countFor(cluster: string, what: 'aborts_injected' | 'delays_injected'): void {
    const name = `${cluster}.${what}`;
    const count = this.#byCluster.get(name);
    if (count === undefined && this.#byCluster.size >= MAX_CLUSTERS) return;
    this.#byCluster.set(name, (count ?? 0) + 1);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#byCluster;
  }

  /** Sets the counters of single clusters back to nothing. */
  override clearDynamic(): void {
    this.#byCluster.clear();
  }
}
