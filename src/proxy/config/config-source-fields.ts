import type { SupportTable } from './supported.ts';

/** What is honoured of `envoy.config.core.v3.ConfigSource` and `ExtensionConfigSource`, by message. */
export const CONFIG_SOURCE: SupportTable = {
  'envoy.config.core.v3.ConfigSource': [
    'path',
    'path_config_source',
    'api_config_source',
    'ads',
    'self',
    'initial_fetch_timeout',
    'resource_api_version',
  ],
  'envoy.config.core.v3.ExtensionConfigSource': [
    'config_source',
    'default_config',
    'apply_default_config_without_warming',
    'type_urls',
  ],
  'envoy.config.core.v3.WatchedDirectory': ['path'],
  'envoy.config.core.v3.PathConfigSource': ['path', 'watched_directory'],
  'envoy.config.core.v3.AggregatedConfigSource': [],
  'envoy.config.core.v3.SelfConfigSource': ['transport_api_version'],
  'envoy.config.core.v3.ApiConfigSource': [
    'api_type',
    'transport_api_version',
    'grpc_services',
    'set_node_on_first_message_only',
    'request_timeout',
  ],
  'envoy.config.core.v3.GrpcService': ['envoy_grpc', 'timeout', 'initial_metadata'],
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority'],
  'envoy.config.core.v3.HeaderValue': ['key', 'value'],
};
