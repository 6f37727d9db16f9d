import type { SupportTable } from '../../config/supported.ts';

const GRPC = 'envoy.extensions.access_loggers.grpc.v3';

/** Fields of the access logs that go to collectors. */
export const COLLECTED: SupportTable = {
  [`${GRPC}.HttpGrpcAccessLogConfig`]: [
    'common_config',
    'additional_request_headers_to_log',
    'additional_response_headers_to_log',
    'additional_response_trailers_to_log',
  ],
  [`${GRPC}.TcpGrpcAccessLogConfig`]: ['common_config'],
  [`${GRPC}.CommonGrpcAccessLogConfig`]: [
    'log_name',
    'grpc_service',
    'transport_api_version',
    'buffer_flush_interval',
    'buffer_size_bytes',
    'filter_state_objects_to_log',
    'custom_tags',
  ],
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig': [
    'common_config',
    'disable_builtin_labels',
    'resource_attributes',
    'body',
    'attributes',
    'stat_prefix',
  ],
  'opentelemetry.proto.common.v1.KeyValueList': ['values'],
  'opentelemetry.proto.common.v1.KeyValue': ['key', 'value'],
  'opentelemetry.proto.common.v1.AnyValue': ['string_value', 'array_value', 'kvlist_value'],
  'opentelemetry.proto.common.v1.ArrayValue': ['values'],
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority'],
  'envoy.config.core.v3.HeaderValue': ['key', 'value'],
  'envoy.type.tracing.v3.CustomTag': ['tag', 'literal', 'environment', 'request_header', 'metadata', 'value'],
  'envoy.type.tracing.v3.CustomTag.Literal': ['value'],
  'envoy.type.tracing.v3.CustomTag.Environment': ['name', 'default_value'],
  'envoy.type.tracing.v3.CustomTag.Header': ['name', 'default_value'],
  'envoy.type.tracing.v3.CustomTag.Metadata': ['kind', 'metadata_key', 'default_value'],
  'envoy.type.metadata.v3.MetadataKind': ['request', 'route', 'cluster', 'host'],
  'envoy.type.metadata.v3.MetadataKey': ['key', 'path'],
  'envoy.type.metadata.v3.MetadataKey.PathSegment': ['key'],
};
