import type { SupportTable } from '../../config/supported.ts';

/** Fields of statistics sinks that are honoured. */
export const SINKS: SupportTable = {
  'envoy.config.metrics.v3.StatsdSink': ['address', 'tcp_cluster_name', 'prefix'],
  'envoy.config.metrics.v3.DogStatsdSink': ['address', 'prefix', 'max_bytes_per_datagram'],
  'envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink': ['address', 'prefix', 'max_bytes_per_datagram'],
  'envoy.config.metrics.v3.MetricsServiceConfig': [
    'grpc_service',
    'transport_api_version',
    'report_counters_as_deltas',
    'emit_tags_as_labels',
    'histogram_emit_mode',
    'batch_size',
  ],
  'envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig': [
    'grpc_service',
    'report_counters_as_deltas',
    'report_histograms_as_deltas',
    'emit_tags_as_attributes',
    'use_tag_extracted_name',
    'prefix',
  ],
  'envoy.config.core.v3.Address': ['socket_address'],
  'envoy.config.core.v3.SocketAddress': ['protocol', 'address', 'port_value'],
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority'],
  'envoy.config.core.v3.HeaderValue': ['key', 'value'],
};
