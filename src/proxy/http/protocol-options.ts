import { fromBinary } from '@bufbuild/protobuf';
import type { Http1ProtocolOptions, Http2ProtocolOptions } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import { PreserveCaseFormatterConfigSchema } from '../../api/gen/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { DEFAULT_OPTIONS as HTTP1_DEFAULTS, type Http1Options } from '../../wire/http1/head.ts';
import { DEFAULT_OPTIONS as HTTP2_DEFAULTS, type Http2Options } from '../../wire/http2/options.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported, type SupportTable } from '../config/supported.ts';
import { keepBytes } from '../net/loans.ts';

export const SUPPORTED: SupportTable = {
  'envoy.config.core.v3.Http1ProtocolOptions': [
    'allow_absolute_url',
    'accept_http_10',
    'default_host_for_http_10',
    'header_key_format',
    'enable_trailers',
    'override_stream_error_on_invalid_http_message',
    'use_balsa_parser',
  ],
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat': ['proper_case_words', 'stateful_formatter'],
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords': [],
  'envoy.config.core.v3.Http2ProtocolOptions': [
    'hpack_table_size',
    'max_concurrent_streams',
    'initial_stream_window_size',
    'initial_connection_window_size',
    'allow_connect',
    'max_outbound_frames',
    'max_outbound_control_frames',
    'max_consecutive_inbound_frames_with_empty_payload',
    'max_inbound_priority_frames_per_stream',
    'max_inbound_window_update_frames_per_data_frame_sent',
    'override_stream_error_on_invalid_http_message',
    'stream_error_on_invalid_http_messaging',
    'custom_settings_parameters',
    'connection_keepalive',
    'use_oghttp2_codec',
  ],
  'envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter': ['identifier', 'value'],
  'envoy.config.core.v3.KeepaliveSettings': ['interval', 'timeout', 'interval_jitter', 'connection_idle_interval'],
  'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
};

export interface HeadLimits {
  readonly maxHeadBytes: number;
  readonly maxHeaderCount: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxHeadBytes: 60 * 1024, maxHeaderCount: 100 };

/** What is honoured of the formatter that keeps the spelling of names. */
export const FORMATTER_SUPPORTED: SupportTable = { [PreserveCaseFormatterConfigSchema.typeName]: [] };

/** HTTP/1 options of a listener or a cluster; `undefined` has Envoy's defaults. */
export function http1Options(
  proto: Http1ProtocolOptions | undefined,
  limits: HeadLimits,
  errors: ConfigErrors,
): Http1Options {
  const format = proto?.headerKeyFormat?.headerFormat;
  let preserveCase = false;
  if (format?.case === 'statefulFormatter') {
    const { name, typedConfig } = format.value;
    const at = errors.at('header_key_format').at('stateful_formatter');
    if (typedConfig !== undefined && typeNameOf(typedConfig.typeUrl) === PreserveCaseFormatterConfigSchema.typeName) {
      const config = fromBinary(PreserveCaseFormatterConfigSchema, typedConfig.value);
      checkSupported(PreserveCaseFormatterConfigSchema, config, FORMATTER_SUPPORTED, at.at('typed_config'));
      preserveCase = true;
    } else at.add('', `${name} is not supported`);
  }
  return {
    ...HTTP1_DEFAULTS,
    ...limits,
    acceptHttp10: proto?.acceptHttp10 ?? false,
    defaultHostForHttp10: proto?.defaultHostForHttp10 ?? '',
    allowAbsoluteUrl: proto?.allowAbsoluteUrl ?? true,
    enableTrailers: proto?.enableTrailers ?? false,
    preserveCase,
    properCase: format?.case === 'properCaseWords',
    streamErrorOnInvalidMessage: proto?.overrideStreamErrorOnInvalidHttpMessage ?? false,
    keepBody: keepBytes,
  };
}

/** HTTP/2 options of a listener or a cluster; `undefined` has Envoy's defaults. */
export function http2Options(
  proto: Http2ProtocolOptions | undefined,
  limits: HeadLimits,
  bufferLimit: number,
  now: () => number,
): Http2Options {
  const d = HTTP2_DEFAULTS;
  return {
    ...d,
    ...limits,
    now,
    keepBody: keepBytes,
    streamBufferLimit: bufferLimit,
    hpackTableSize: proto?.hpackTableSize ?? d.hpackTableSize,
    maxConcurrentStreams: proto?.maxConcurrentStreams ?? d.maxConcurrentStreams,
    initialStreamWindowSize: proto?.initialStreamWindowSize ?? d.initialStreamWindowSize,
    initialConnectionWindowSize: proto?.initialConnectionWindowSize ?? d.initialConnectionWindowSize,
    allowConnect: proto?.allowConnect ?? false,
    maxOutboundFrames: proto?.maxOutboundFrames ?? d.maxOutboundFrames,
    maxOutboundControlFrames: proto?.maxOutboundControlFrames ?? d.maxOutboundControlFrames,
    maxConsecutiveInboundFramesWithEmptyPayload:
      proto?.maxConsecutiveInboundFramesWithEmptyPayload ?? d.maxConsecutiveInboundFramesWithEmptyPayload,
    maxInboundPriorityFramesPerStream: proto?.maxInboundPriorityFramesPerStream ?? d.maxInboundPriorityFramesPerStream,
    maxInboundWindowUpdateFramesPerDataFrameSent:
      proto?.maxInboundWindowUpdateFramesPerDataFrameSent ?? d.maxInboundWindowUpdateFramesPerDataFrameSent,
    streamErrorOnInvalidMessage:
      proto?.overrideStreamErrorOnInvalidHttpMessage ?? proto?.streamErrorOnInvalidHttpMessaging ?? false,
    customSettings: (proto?.customSettingsParameters ?? []).map((s) => [s.identifier ?? 0, s.value ?? 0] as const),
  };
}
