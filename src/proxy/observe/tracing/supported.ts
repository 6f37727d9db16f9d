import type { SupportTable } from '../../config/supported.ts';

/** Fields of tracing providers that are honoured. */
export const TRACERS: SupportTable = {
  'envoy.config.trace.v3.OpenTelemetryConfig': [
    'grpc_service',
    'http_service',
    'service_name',
    'resource_detectors',
    'sampler',
  ],
  'envoy.config.trace.v3.DatadogConfig': ['collector_cluster', 'service_name', 'collector_hostname'],
  'envoy.config.trace.v3.SkyWalkingConfig': ['grpc_service', 'client_config'],
  'envoy.config.trace.v3.ClientConfig': ['service_name', 'instance_name', 'backend_token', 'max_cache_size'],
  'envoy.config.trace.v3.ZipkinConfig': [
    'collector_cluster',
    'collector_endpoint',
    'trace_id_128bit',
    'shared_span_context',
    'collector_endpoint_version',
    'collector_hostname',
  ],
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'timeout', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority'],
  'envoy.config.core.v3.HttpService': ['http_uri', 'request_headers_to_add'],
  'envoy.config.core.v3.HttpUri': ['uri', 'cluster', 'timeout'],
  'envoy.config.core.v3.HeaderValueOption': ['header', 'append_action', 'append'],
  'envoy.config.core.v3.HeaderValue': ['key', 'value'],
  'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
};
