import { type AbsentStats, StatGroup } from '../observe/stats.ts';

const NO_GAUGES: ReadonlySet<string> = new Set();
const HTTP1_ABSENT: AbsentStats = {
  counters: [
    'dropped_headers_with_underscores',
    'metadata_not_supported_error',
    'requests_rejected_with_underscores_in_headers',
    'response_flood',
  ],
};

/** Envoy's `cluster.NAME.http1.`: nothing of it can happen to a client here. */
export class Http1CodecStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  override readonly absent = HTTP1_ABSENT;
}

const HTTP2_GAUGES: ReadonlySet<string> = new Set(['streams_active']);
const HTTP2_ABSENT: AbsentStats = {
  counters: [
    'cookies_total_bytes_too_large',
    'dropped_headers_with_underscores',
    'goaway_sent',
    'header_list_size_too_large',
    'header_overflow',
    'headers_cb_no_stream',
    'inbound_empty_frames_flood',
    'inbound_priority_frames_flood',
    'inbound_window_update_frames_flood',
    'metadata_empty_frames',
    // Which of Envoy's two implementations of the protocol connections run on; here it is a third one.
    'nghttp2_downstream_connections',
    'nghttp2_upstream_connections',
    'oghttp2_downstream_connections',
    'oghttp2_upstream_connections',
    'outbound_control_flood',
    'outbound_flood',
    'requests_rejected_with_underscores_in_headers',
    'rx_messaging_error',
    'stream_refused_errors',
    'trailers',
    'tx_flush_timeout',
  ],
  gauges: ['deferred_stream_close', 'outbound_control_frames_active', 'outbound_frames_active', 'pending_send_bytes'],
};

/** Envoy's `cluster.NAME.http2.`. */
export class Http2CodecStats extends StatGroup {
  readonly gauges = HTTP2_GAUGES;
  override readonly absent = HTTP2_ABSENT;
  keepalive_timeout = 0;
  rx_reset = 0;
  streams_active = 0;
  tx_reset = 0;
}
