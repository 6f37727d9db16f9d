import { Histogram } from '../observe/histogram.ts';
import { type AbsentStats, StatGroup } from '../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set([
  'downstream_cx_active',
  'downstream_cx_http1_active',
  'downstream_cx_http2_active',
  'downstream_cx_ssl_active',
  'downstream_cx_upgrades_active',
  'downstream_rq_active',
]);

/** There is no HTTP/3, and no manager of overload. */
const ABSENT: AbsentStats = {
  counters: ['downstream_cx_http3_total', 'downstream_rq_http3_total', 'downstream_rq_overload_close'],
  gauges: [
    'downstream_cx_http1_soft_drain',
    'downstream_cx_http3_active',
    'downstream_cx_rx_bytes_buffered',
    'downstream_cx_tx_bytes_buffered',
  ],
};

const SET_WITH: Readonly<Record<string, string>> = {
  downstream_cx_active: 'downstream_cx_total',
  downstream_cx_http1_active: 'downstream_cx_http1_total',
  downstream_cx_http2_active: 'downstream_cx_http2_total',
  downstream_cx_rx_bytes_buffered: 'downstream_cx_total',
  downstream_rq_active: 'downstream_rq_total',
};

/** Responses by class. */
abstract class ResponseStats extends StatGroup {
  downstream_rq_1xx = 0;
  downstream_rq_2xx = 0;
  downstream_rq_3xx = 0;
  downstream_rq_4xx = 0;
  downstream_rq_5xx = 0;
  downstream_rq_completed = 0;

  countResponse(status: number): void {
    this.downstream_rq_completed++;
    if (status >= 500) this.downstream_rq_5xx++;
    else if (status >= 400) this.downstream_rq_4xx++;
    else if (status >= 300) this.downstream_rq_3xx++;
    else if (status >= 200) this.downstream_rq_2xx++;
    else this.downstream_rq_1xx++;
  }
}

const NO_GAUGES: ReadonlySet<string> = new Set();

/** The same under the listener's name (Envoy's `listener.ADDRESS.http.STAT_PREFIX.`). */
export class ListenerResponseStats extends ResponseStats {
  readonly gauges = NO_GAUGES;
}

/** Why requests were traced or not (Envoy's `http.STAT_PREFIX.tracing.`). */
export class TracingStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  client_enabled = 0;
  health_check = 0;
  not_traceable = 0;
  random_sampling = 0;
  service_forced = 0;
}

/** Statistics of a connection manager (Envoy's `http.STAT_PREFIX.`). */
export class HttpConnectionManagerStats extends ResponseStats {
  readonly gauges = GAUGES;
  override readonly setWith = SET_WITH;
  override readonly absent = ABSENT;
  readonly downstream_cx_length_ms = new Histogram();
  readonly downstream_rq_time = new Histogram();
  downstream_cx_active = 0;
  downstream_cx_delayed_close_timeout = 0;
  downstream_cx_destroy = 0;
  downstream_cx_destroy_active_rq = 0;
  downstream_cx_destroy_local = 0;
  downstream_cx_destroy_local_active_rq = 0;
  downstream_cx_destroy_remote = 0;
  downstream_cx_destroy_remote_active_rq = 0;
  downstream_cx_drain_close = 0;
  downstream_cx_http1_active = 0;
  downstream_cx_http1_total = 0;
  downstream_cx_http2_active = 0;
  downstream_cx_http2_total = 0;
  downstream_cx_idle_timeout = 0;
  downstream_cx_max_duration_reached = 0;
  downstream_cx_max_requests_reached = 0;
  downstream_cx_overload_disable_keepalive = 0;
  downstream_cx_protocol_error = 0;
  downstream_cx_rx_bytes_total = 0;
  downstream_cx_ssl_active = 0;
  downstream_cx_ssl_total = 0;
  downstream_cx_total = 0;
  downstream_cx_tx_bytes_total = 0;
  downstream_cx_upgrades_active = 0;
  downstream_cx_upgrades_total = 0;
  downstream_flow_control_paused_reading_total = 0;
  downstream_flow_control_resumed_reading_total = 0;
  downstream_rq_active = 0;
  downstream_rq_failed_path_normalization = 0;
  downstream_rq_header_timeout = 0;
  downstream_rq_http1_total = 0;
  downstream_rq_http2_total = 0;
  downstream_rq_idle_timeout = 0;
  downstream_rq_max_duration_reached = 0;
  downstream_rq_non_relative_path = 0;
  downstream_rq_redirected_with_normalized_path = 0;
  downstream_rq_rejected_via_ip_detection = 0;
  downstream_rq_response_before_rq_complete = 0;
  downstream_rq_rx_reset = 0;
  downstream_rq_timeout = 0;
  downstream_rq_too_large = 0;
  downstream_rq_too_many_premature_resets = 0;
  downstream_rq_total = 0;
  downstream_rq_tx_reset = 0;
  downstream_rq_ws_on_non_ws_route = 0;
  rs_too_large = 0;
}
