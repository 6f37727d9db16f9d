import type { WorkerContext } from '../../context.ts';
import { type AbsentStats, StatGroup, type StatLease } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set();
const ABSENT: AbsentStats = {
  counters: [
    'filter_state_name_collision',
    'omitted_response_headers',
    'request_header_limits_reached',
    'response_header_limits_reached',
    'shadow_denied',
    'shadow_error',
  ],
};

/** Statistics of the filter (Envoy's `http.STAT_PREFIX.ext_authz.`). */
export class ExtAuthzStats extends StatGroup {
  readonly gauges = GAUGES;
  ok = 0;
  denied = 0;
  error = 0;
  disabled = 0;
  failure_mode_allowed = 0;
  invalid = 0;
  ignored_dynamic_metadata = 0;
  override readonly absent = ABSENT;
}

/** How the requests to one cluster fared (Envoy's `cluster.NAME.ext_authz.`). */
export class ClusterAuthzStats extends StatGroup {
  readonly gauges = GAUGES;
  ok = 0;
  denied = 0;
  error = 0;
  failure_mode_allowed = 0;
}

/** The statistics of the clusters that requests were meant for, from the first request on. */
export class AuthzByCluster {
  readonly #worker: WorkerContext;
  readonly #prefix: string;
  readonly #leases = new Map<string, StatLease<ClusterAuthzStats>>();

  /** `prefix`: what stands before the names, after the cluster's, such as `ext_authz.`. */
  constructor(worker: WorkerContext, prefix: string) {
    this.#worker = worker;
    this.#prefix = prefix;
  }

  /** Statistics of a cluster by the name that it has in statistics; there are as many as clusters. */
  of(cluster: string): ClusterAuthzStats {
    let lease = this.#leases.get(cluster);
    if (lease === undefined) {
      lease = this.#worker.stats.acquire(`cluster.${cluster}.${this.#prefix}`, ClusterAuthzStats);
      this.#leases.set(cluster, lease);
    }
    return lease.group;
  }

  release(): void {
    for (const lease of this.#leases.values()) lease.release();
  }
}
