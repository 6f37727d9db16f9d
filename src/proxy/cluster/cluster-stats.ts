import { Histogram } from '../observe/histogram.ts';
import { ResponseCodes } from '../observe/response-codes.ts';
import { type AbsentStats, type ComputedStat, StatGroup } from '../observe/stats.ts';
import { versionHash } from '../observe/subscription-stats.ts';
import type { Resource, ResourceManager } from './resources.ts';

const GAUGES: ReadonlySet<string> = new Set([
  'lb_subsets_active',
  'membership_degraded',
  'membership_excluded',
  'membership_healthy',
  'membership_total',
  'max_host_weight',
  'upstream_cx_active',
  'upstream_cx_rx_bytes_buffered',
  'upstream_cx_tx_bytes_buffered',
  'upstream_rq_active',
  'upstream_rq_pending_active',
]);

type Priority = 'default' | 'high';

/** Envoy looks when something is taken or given back: where nothing may be taken, never. */
const full = ({ inUse, max }: Resource) => (inUse >= max && inUse > 0 ? 1 : 0);
/** Envoy shows the largest number of 64 bits where there is no limit. */
const left = ({ inUse, max }: Resource) => (max === Infinity ? 2n ** 64n - 1n : Math.max(0, max - inUse));

/** `circuit_breakers.PRIORITY.`: whether limits are reached, and what is left of them where that is tracked. */
function breakers(priority: Priority): ComputedStat<ClusterStats>[] {
  const gauge = (
    name: string,
    value: (resources: ResourceManager) => number | bigint | undefined,
  ): ComputedStat<ClusterStats> => ({
    name: `circuit_breakers.${priority}.${name}`,
    kind: 'gauge',
    value: ({ resources }) => (resources === undefined ? 0 : value(resources[priority])),
  });
  const remaining = (name: string, value: (resources: ResourceManager) => number | bigint) =>
    gauge(name, (resources) => (resources.tracksRemaining ? value(resources) : undefined));
  return [
    gauge('cx_open', ({ connections }) => full(connections)),
    gauge('cx_pool_open', ({ connectionPools }) => full(connectionPools)),
    gauge('rq_open', ({ requests }) => full(requests)),
    gauge('rq_pending_open', ({ pendingRequests }) => full(pendingRequests)),
    gauge('rq_retry_open', ({ canRetry, retries }) => (canRetry || retries.inUse === 0 ? 0 : 1)),
    remaining('remaining_cx', ({ connections }) => left(connections)),
    remaining('remaining_cx_pools', ({ connectionPools }) => left(connectionPools)),
    remaining('remaining_pending', ({ pendingRequests }) => left(pendingRequests)),
    remaining('remaining_rq', ({ requests }) => left(requests)),
    remaining('remaining_retries', ({ retries, hasRetryBudget }) => (hasRetryBudget ? 0 : left(retries))),
  ];
}

/** What is counted of a subscription to endpoints. */
export class EndpointUpdates {
  initFetchTimeouts = 0;
  rejected = 0;
  /** Milliseconds since 1970. */
  time = 0;
  version = '';
}

const ENDPOINT_UPDATES: readonly ComputedStat<ClusterStats>[] = [
  { name: 'init_fetch_timeout', kind: 'counter', value: ({ endpoints }) => endpoints?.initFetchTimeouts },
  { name: 'update_rejected', kind: 'counter', value: ({ endpoints }) => endpoints?.rejected },
  { name: 'update_time', kind: 'gauge', value: ({ endpoints }) => endpoints?.time },
  { name: 'version', kind: 'gauge', value: ({ endpoints }) => versionHash(endpoints?.version ?? '') },
  { name: 'version_text', kind: 'text', value: ({ endpoints }) => endpoints?.version },
];

const DUPLICATES: ComputedStat<ClusterStats> = {
  name: 'lb_subsets_single_host_per_subset_duplicate',
  kind: 'gauge',
  value: ({ duplicatesInSubsets }) => duplicatesInSubsets,
};

const NO_NAMES: readonly string[] = [];

const COMPUTED = [
  ...breakers('default'),
  ...breakers('high'),
  ...ENDPOINT_UPDATES,
  DUPLICATES,
] as readonly ComputedStat<never>[];

/** There is no HTTP/3, no early data and no preconnecting. */
const ABSENT: AbsentStats = {
  counters: [
    'assignment_use_cached',
    'upstream_cx_connect_with_0_rtt',
    'upstream_cx_preconnect_skipped',
    'upstream_http3_broken',
    'upstream_rq_0rtt',
    'upstream_rq_rx_reset_no_error',
  ],
  gauges: ['upstream_queue_overloaded', 'warming_state'],
};

/** Circuit breakers of the default priority are looked at for every request. */
const SET_WITH: Readonly<Record<string, string>> = {
  membership_degraded: '',
  membership_excluded: '',
  membership_healthy: '',
  membership_total: '',
  warming_state: '',
  upstream_cx_active: 'upstream_cx_total',
  upstream_cx_rx_bytes_buffered: 'upstream_cx_rx_bytes_total',
  upstream_rq_active: 'upstream_rq_total',
  upstream_rq_pending_active: 'upstream_rq_pending_total',
  'circuit_breakers.default.cx_open': 'upstream_cx_total',
  'circuit_breakers.default.cx_pool_open': 'upstream_rq_total',
  'circuit_breakers.default.rq_open': 'upstream_rq_total',
  'circuit_breakers.default.rq_pending_open': 'upstream_rq_pending_total',
};

/** Statistics of one cluster (Envoy's `cluster.NAME.`). */
export class ClusterStats extends StatGroup {
  readonly gauges = GAUGES;
  override readonly setWith = SET_WITH;
  override readonly computed = COMPUTED;
  override readonly absent = ABSENT;
  /** Set for clusters whose endpoints come from EDS. */
  endpoints: EndpointUpdates | undefined = undefined;
  /** What circuit breakers look at: of the cluster as it is configured now. */
  resources: Readonly<Record<Priority, ResourceManager>> | undefined = undefined;
  readonly upstream_cx_connect_ms = new Histogram();
  readonly upstream_cx_length_ms = new Histogram();
  readonly upstream_rq_per_cx = new Histogram();
  readonly upstream_rq_time = new Histogram(true);
  readonly 'internal.upstream_rq_time' = new Histogram(true);
  readonly 'external.upstream_rq_time' = new Histogram(true);
  bind_errors = 0;
  lb_healthy_panic = 0;
  lb_local_cluster_not_ok = 0;
  lb_recalculate_zone_structures = 0;
  lb_subsets_active = 0;
  lb_subsets_created = 0;
  lb_subsets_fallback = 0;
  lb_subsets_fallback_panic = 0;
  lb_subsets_removed = 0;
  lb_subsets_selected = 0;
  lb_zone_cluster_too_small = 0;
  lb_zone_no_capacity_left = 0;
  lb_zone_routing_all_directly = 0;
  lb_zone_routing_cross_zone = 0;
  lb_zone_routing_sampled = 0;
  max_host_weight = 0;
  membership_change = 0;
  membership_degraded = 0;
  membership_excluded = 0;
  membership_healthy = 0;
  membership_total = 0;
  original_dst_host_invalid = 0;
  retry_or_shadow_abandoned = 0;
  update_attempt = 0;
  update_empty = 0;
  update_failure = 0;
  update_no_rebuild = 0;
  update_success = 0;
  assignment_stale = 0;
  assignment_timeout_received = 0;
  upstream_cx_active = 0;
  upstream_cx_close_notify = 0;
  upstream_cx_connect_attempts_exceeded = 0;
  upstream_cx_connect_fail = 0;
  upstream_cx_connect_timeout = 0;
  upstream_cx_destroy = 0;
  upstream_cx_destroy_local = 0;
  upstream_cx_destroy_local_with_active_rq = 0;
  upstream_cx_destroy_remote = 0;
  upstream_cx_destroy_remote_with_active_rq = 0;
  upstream_cx_destroy_with_active_rq = 0;
  upstream_cx_http1_total = 0;
  upstream_cx_http2_total = 0;
  upstream_cx_http3_total = 0;
  upstream_cx_idle_timeout = 0;
  upstream_cx_max_duration_reached = 0;
  upstream_cx_max_requests = 0;
  upstream_cx_none_healthy = 0;
  upstream_cx_overflow = 0;
  upstream_cx_pool_overflow = 0;
  upstream_cx_protocol_error = 0;
  upstream_cx_rx_bytes_buffered = 0;
  upstream_cx_rx_bytes_total = 0;
  upstream_cx_total = 0;
  upstream_cx_tx_bytes_buffered = 0;
  upstream_cx_tx_bytes_total = 0;
  upstream_flow_control_backed_up_total = 0;
  upstream_flow_control_drained_total = 0;
  upstream_flow_control_paused_reading_total = 0;
  upstream_flow_control_resumed_reading_total = 0;
  upstream_internal_redirect_failed_total = 0;
  upstream_internal_redirect_succeeded_total = 0;
  upstream_rq_active = 0;
  upstream_rq_active_overflow = 0;
  upstream_rq_cancelled = 0;
  upstream_rq_completed = 0;
  upstream_rq_maintenance_mode = 0;
  upstream_rq_max_duration_reached = 0;
  upstream_rq_pending_active = 0;
  upstream_rq_pending_failure_eject = 0;
  upstream_rq_pending_overflow = 0;
  upstream_rq_pending_total = 0;
  upstream_rq_per_try_idle_timeout = 0;
  upstream_rq_per_try_timeout = 0;
  upstream_rq_retry = 0;
  upstream_rq_retry_backoff_exponential = 0;
  upstream_rq_retry_backoff_ratelimited = 0;
  upstream_rq_retry_limit_exceeded = 0;
  upstream_rq_retry_overflow = 0;
  upstream_rq_retry_success = 0;
  upstream_rq_rx_reset = 0;
  upstream_rq_timeout = 0;
  upstream_rq_total = 0;
  upstream_rq_tx_reset = 0;

  /** Hosts for which each transport socket was chosen: `NAME.total_match_count`. */
  socketNames: readonly string[] = NO_NAMES;
  socketMatches: number[] = [];
  /** Undefined without subsets. */
  duplicatesInSubsets: number | undefined = undefined;

  readonly #internal = new ResponseCodes();
  readonly #external = new ResponseCodes();
  #retried: ResponseCodes | undefined = undefined;

  /** Counts an answer that was not passed on, because the request was tried again. */
  countRetried(status: number): void {
    (this.#retried ??= new ResponseCodes()).count(status);
  }

  /** Counts an answer; by whether the request came from inside the mesh as well (x-envoy-internal). */
  countResponse(status: number, internal: boolean): void {
    this.upstream_rq_completed++;
    (internal ? this.#internal : this.#external).count(status);
  }

  /** How long an answer took from the end of the request, in milliseconds. */
  recordResponseTime(ms: number, internal: boolean): void {
    this.upstream_rq_time.record(ms);
    if (internal) this['internal.upstream_rq_time'].record(ms);
    else this['external.upstream_rq_time'].record(ms);
  }

  override *dynamic(): Generator<readonly [string, number]> {
    for (let i = 0; i < this.socketNames.length; i++) {
      yield [`${this.socketNames[i]}.total_match_count`, this.socketMatches[i]];
    }
    yield* ResponseCodes.sum(this.#internal, this.#external).stats('');
    for (const [prefix, codes] of [
      ['internal.', this.#internal],
      ['external.', this.#external],
      ['retry.', this.#retried],
    ] as const) {
      const completed = codes?.completed ?? 0;
      if (codes === undefined || completed === 0) continue;
      yield [`${prefix}upstream_rq_completed`, completed];
      yield* codes.stats(prefix);
    }
  }

  override clearDynamic(): void {
    this.socketMatches.fill(0);
    this.#internal.clear();
    this.#external.clear();
    this.#retried?.clear();
  }
}
