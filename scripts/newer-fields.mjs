// Fields that Envoy 1.40 has and the package that ships its API does not have yet.

const ROUTE = 'envoy/config/route/v3/route_components.proto';
const FILTERS = 'envoy/extensions/filters';
const RATELIMIT = `${FILTERS}/http/ratelimit/v3/rate_limit.proto`;
const COMMON_RATELIMIT = 'envoy/extensions/common/ratelimit/v3/ratelimit.proto';
const LOCAL_RATELIMIT = `${FILTERS}/http/local_ratelimit/v3/local_rate_limit.proto`;
const NETWORK_EXT_AUTHZ = `${FILTERS}/network/ext_authz/v3/ext_authz.proto`;
const NETWORK_FILTER_STATE = `${FILTERS}/network/set_filter_state/v3/set_filter_state.proto`;
const FILTER_STATE_VALUES = 'repeated common.set_filter_state.v3.FilterStateValue';

/** [file, the line that they come behind, the fields, each on a line of its own]. */
export const NEWER_FIELDS = [
  ['envoy/config/cluster/v3/cluster.proto', 'message Cluster {', ['google.protobuf.Duration dns_jitter = 58;']],
  [ROUTE, 'import "envoy/type/matcher/v3/string.proto";', ['import "envoy/type/matcher/v3/address.proto";']],
  [
    ROUTE,
    'message RateLimit {',
    [
      'enum XRateLimitOption { UNSPECIFIED = 0; OFF = 1; DRAFT_VERSION_03 = 2; }',
      'message HitsAddend { google.protobuf.UInt64Value number = 1; string format = 2; bool is_negative_hits = 3; }',
      'HitsAddend hits_addend = 5;',
      'bool apply_on_stream_done = 6;',
      'XRateLimitOption x_ratelimit_option = 7;',
    ],
  ],
  [
    ROUTE,
    '  message Action {',
    [
      'message QueryParameters { string query_parameter_name = 1; string descriptor_key = 2; bool skip_if_absent = 3; }',
      'message RemoteAddressMatch { string descriptor_value = 1; string descriptor_key = 2; string default_value = 3; type.matcher.v3.AddressMatcher address_matcher = 4; }',
    ],
  ],
  [
    ROUTE,
    '    oneof action_specifier {',
    ['QueryParameters query_parameters = 12;', 'RemoteAddressMatch remote_address_match = 13;'],
  ],
  [ROUTE, '    message GenericKey {', ['string default_value = 3;']],
  [ROUTE, '    message HeaderValueMatch {', ['string default_value = 5;']],
  [ROUTE, '    message QueryParameterValueMatch {', ['string default_value = 5;']],
  [
    LOCAL_RATELIMIT,
    'import "envoy/config/core/v3/base.proto";',
    ['import "envoy/config/route/v3/route_components.proto";'],
  ],
  [
    LOCAL_RATELIMIT,
    'message LocalRateLimit {',
    [
      'repeated config.route.v3.RateLimit rate_limits = 17;',
      'google.protobuf.UInt32Value max_dynamic_descriptors = 18;',
      'bool enable_retry_after_header = 19;',
    ],
  ],
  [COMMON_RATELIMIT, 'import "envoy/type/v3/token_bucket.proto";', ['import "google/protobuf/wrappers.proto";']],
  [
    COMMON_RATELIMIT,
    'message RateLimitDescriptor {',
    ['google.protobuf.UInt64Value hits_addend = 3;', 'bool is_negative_hits = 4;'],
  ],
  [COMMON_RATELIMIT, 'message LocalRateLimitDescriptor {', ['bool shadow_mode = 3;']],
  [
    RATELIMIT,
    'message RateLimit {',
    [
      'config.core.v3.RuntimeFractionalPercent filter_enabled = 14;',
      'config.core.v3.RuntimeFractionalPercent filter_enforced = 15;',
      'config.core.v3.RuntimeFractionalPercent failure_mode_deny_percent = 16;',
      'repeated config.route.v3.RateLimit rate_limits = 17;',
      'string metadata_namespace = 18;',
      'bool enable_retry_after_header = 19;',
    ],
  ],
  [
    NETWORK_EXT_AUTHZ,
    'message ExtAuthz {',
    [
      'bool send_tls_alert_on_denial = 9;',
      'repeated string metadata_context_namespaces = 10;',
      'repeated string typed_metadata_context_namespaces = 11;',
      'bool shadow_mode = 12;',
    ],
  ],
  [
    `${FILTERS}/network/rbac/v3/rbac.proto`,
    'import "envoy/config/rbac/v3/rbac.proto";',
    ['import "google/protobuf/duration.proto";'],
  ],
  [`${FILTERS}/network/rbac/v3/rbac.proto`, 'message RBAC {', ['google.protobuf.Duration delay_deny = 8;']],
  [
    `${FILTERS}/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy.proto`,
    'message FilterConfig {',
    ['bool save_upstream_address = 3;'],
  ],
  [
    NETWORK_FILTER_STATE,
    'message Config {',
    [`${FILTER_STATE_VALUES} on_downstream_tls_handshake = 2;`, `${FILTER_STATE_VALUES} on_downstream_data = 3;`],
  ],
  [`${FILTERS}/http/set_filter_state/v3/set_filter_state.proto`, 'message Config {', ['bool clear_route_cache = 2;']],
  ['envoy/type/tracing/v3/custom_tag.proto', '  oneof type {', ['string value = 6;']],
  [
    `${FILTERS}/network/http_connection_manager/v3/http_connection_manager.proto`,
    '  message Tracing {',
    ['bool no_context_propagation = 13;'],
  ],
];
