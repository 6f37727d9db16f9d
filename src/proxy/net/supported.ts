import { SUPPORTED as CLUSTER } from '../cluster/supported.ts';
import type { SupportTable } from '../config/supported.ts';
import { SUPPORTED as ACCESS_LOG } from '../observe/access-log/build.ts';
import { SUPPORTED as ROUTE } from '../router/supported.ts';
import { SUPPORTED as LISTENER_FILTERS } from './listener-filters.ts';

/** Fields of listeners that are honoured, or that only name things. */
export const SUPPORTED: SupportTable = {
  ...CLUSTER,
  ...ROUTE,
  ...ACCESS_LOG,
  ...LISTENER_FILTERS,
  'envoy.config.listener.v3.Listener': [
    'name',
    'address',
    'additional_addresses',
    'stat_prefix',
    'filter_chains',
    'use_original_dst',
    'default_filter_chain',
    'per_connection_buffer_limit_bytes',
    'metadata',
    'deprecated_v1',
    'drain_type',
    'listener_filters',
    'listener_filters_timeout',
    'continue_on_listener_filters_timeout',
    'traffic_direction',
    'connection_balance_config',
    'reuse_port',
    'enable_reuse_port',
    'access_log',
    'tcp_backlog_size',
    'max_connections_to_accept_per_socket_event',
    'bind_to_port',
    'ignore_global_conn_limit',
    'bypass_overload_manager',
  ],
  'envoy.config.listener.v3.AdditionalAddress': ['address'],
  'envoy.config.listener.v3.Listener.DeprecatedV1': ['bind_to_port'],
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig': ['exact_balance'],
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance': [],
  'envoy.config.listener.v3.FilterChain': [
    'filter_chain_match',
    'filters',
    'metadata',
    'transport_socket',
    'transport_socket_connect_timeout',
    'name',
  ],
  'envoy.config.listener.v3.FilterChainMatch': [
    'destination_port',
    'prefix_ranges',
    'direct_source_prefix_ranges',
    'source_type',
    'source_prefix_ranges',
    'source_ports',
    'server_names',
    'transport_protocol',
    'application_protocols',
  ],
  'envoy.config.listener.v3.Filter': ['name', 'typed_config'],
  'envoy.config.core.v3.CidrRange': ['address_prefix', 'prefix_len'],
};
