import { StatGroup } from '../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set([
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
  'version',
]);

/** Statistics of one cluster (Envoy's `cluster.NAME.`). */
export class ClusterStats extends StatGroup {
  readonly gauges = GAUGES;
  bind_errors = 0;
  lb_healthy_panic = 0;
  lb_local_cluster_not_ok = 0;
  lb_recalculate_zone_structures = 0;
  lb_subsets_active = 0;
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
  update_rejected = 0;
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
  upstream_rq_1xx = 0;
  upstream_rq_2xx = 0;
  upstream_rq_3xx = 0;
  upstream_rq_4xx = 0;
  upstream_rq_5xx = 0;
  version = 0;

  countResponse(status: number): void {
    this.upstream_rq_completed++;
    if (status >= 500) this.upstream_rq_5xx++;
    else if (status >= 400) this.upstream_rq_4xx++;
    else if (status >= 300) this.upstream_rq_3xx++;
    else if (status >= 200) this.upstream_rq_2xx++;
    else this.upstream_rq_1xx++;
    const codes = (this.#codes ??= []);
    codes[status] = (codes[status] ?? 0) + 1;
  }

  #codes: number[] | undefined = undefined;

  override *dynamic(): Generator<readonly [string, number]> {
    for (const code in this.#codes) yield [`upstream_rq_${code}`, this.#codes[Number(code)]];
  }
}
