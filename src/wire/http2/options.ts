import { copyBytes, type KeepBytes } from '../../base/bytes.ts';

/**
 * What an HTTP/2 connection may cost and allow. Names and defaults are those of Envoy's Http2ProtocolOptions, as Envoy
 * 1.40 behaves, and of the HCM's limits on headers.
 */
export interface Http2Options {
  /** `hpack_table_size`: octets, for both directions. */
  readonly hpackTableSize: number;
  /**
   * `max_concurrent_streams`: how many the peer may open, and at a client also how many are opened at most. Streams above
   * it are refused.
   */
  readonly maxConcurrentStreams: number;
  /** `initial_stream_window_size`: octets that a peer may send ahead on one stream; 65535 at least. */
  readonly initialStreamWindowSize: number;
  /** `initial_connection_window_size`: the same for all streams together. */
  readonly initialConnectionWindowSize: number;
  /** `allow_connect`: extended CONNECT, RFC 8441. */
  readonly allowConnect: boolean;
  /** `max_outbound_frames`: frames that wait while the peer does not read. */
  readonly maxOutboundFrames: number;
  /** `max_outbound_control_frames`: the same for PING, SETTINGS, RST_STREAM and WINDOW_UPDATE. */
  readonly maxOutboundControlFrames: number;
  /** `max_consecutive_inbound_frames_with_empty_payload`. */
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  /** `max_inbound_priority_frames_per_stream`. */
  readonly maxInboundPriorityFramesPerStream: number;
  /** `max_inbound_window_update_frames_per_data_frame_sent`. */
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** `override_stream_error_on_invalid_http_message`: a malformed message ends its stream, not the connection. */
  readonly streamErrorOnInvalidMessage: boolean;
  /** `custom_settings_parameters`: further settings to send, as pairs of identifier and value. */
  readonly customSettings: readonly (readonly [number, number])[];

  /** `max_request_headers_kb` or `max_response_headers_kb`, in octets of names and values. */
  readonly maxHeadBytes: number;
  /** `common_http_protocol_options.max_headers_count`, pseudo-headers included. */
  readonly maxHeaderCount: number;
  /** `headers_with_underscores_action` for requests: a name with `_` is taken, ends the request, or is left out. */
  readonly underscores: 'allow' | 'reject' | 'drop';

  /** Octets that may wait on one stream before its handler is told to stop, at half of which it may go on. */
  readonly streamBufferLimit: number;
  /**
   * Requests that a client may take back before they were answered, if they are more than half of all that it sent:
   * `overload.premature_reset_total_stream_count` of Envoy's runtime (CVE-2023-44487).
   */
  readonly maxPrematureResets: number;
  /** Age in milliseconds from which taking back is not premature: `premature_reset_min_stream_lifetime_seconds`. */
  readonly prematureResetAge: number;
  /** Milliseconds of any clock, as coarse as you like, for `prematureResetAge`. Without it no request is old. */
  readonly now: (() => number) | undefined;
  /** How a piece of body outlives the read that brought it. */
  readonly keepBody: KeepBytes;
}

export const DEFAULT_OPTIONS: Http2Options = {
  hpackTableSize: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 16 * 1024 * 1024,
  initialConnectionWindowSize: 24 * 1024 * 1024,
  allowConnect: false,
  maxOutboundFrames: 10000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  streamErrorOnInvalidMessage: false,
  customSettings: [],
  maxHeadBytes: 60 * 1024,
  maxHeaderCount: 100,
  underscores: 'allow',
  streamBufferLimit: 1024 * 1024,
  maxPrematureResets: 500,
  prematureResetAge: 1000,
  now: undefined,
  keepBody: copyBytes,
};
