// Fields that Envoy 1.40 has and the package that ships its API does not have yet.

const ROUTE = 'envoy/config/route/v3/route_components.proto';
const FILTERS = 'envoy/extensions/filters';
const RATELIMIT = `${FILTERS}/http/ratelimit/v3/rate_limit.proto`;
const COMMON_RATELIMIT = 'envoy/extensions/common/ratelimit/v3/ratelimit.proto';
const LOCAL_RATELIMIT = `${FILTERS}/http/local_ratelimit/v3/local_rate_limit.proto`;
const NETWORK_EXT_AUTHZ = `${FILTERS}/network/ext_authz/v3/ext_authz.proto`;
const NETWORK_FILTER_STATE = `${FILTERS}/network/set_filter_state/v3/set_filter_state.proto`;
const FILTER_STATE = 'envoy/type/matcher/v3/filter_state.proto';
const MUTATION_RULES = 'envoy/config/common/mutation_rules/v3/mutation_rules.proto';
const HEADER_MUTATION = `${FILTERS}/http/header_mutation/v3/header_mutation.proto`;
const HCM = `${FILTERS}/network/http_connection_manager/v3/http_connection_manager.proto`;
const PROTOCOL = 'envoy/config/core/v3/protocol.proto';
const XFF = 'envoy/extensions/http/original_ip_detection/xff/v3/xff.proto';
const XFF_IMPORTS = [
  'import "envoy/config/core/v3/address.proto";',
  'import "google/protobuf/wrappers.proto";',
  'message XffTrustedCidrs { repeated config.core.v3.CidrRange cidrs = 1; }',
];
const FILTER_STATE_VALUES = 'repeated common.set_filter_state.v3.FilterStateValue';

/** [file, the line that they come behind, the fields, each on a line of its own]. */
export const NEWER_FIELDS = [
  ['envoy/config/accesslog/v3/accesslog.proto', '    LE = 2;', ['NE = 3;']],
  ['envoy/config/cluster/v3/cluster.proto', 'message Cluster {', ['google.protobuf.Duration dns_jitter = 58;']],
  ['envoy/config/metrics/v3/metrics_service.proto', 'message MetricsServiceConfig {', ['uint32 batch_size = 6;']],
  [
    ROUTE,
    'import "envoy/type/matcher/v3/string.proto";',
    [
      'import "envoy/type/matcher/v3/address.proto";',
      'import "envoy/type/matcher/v3/filter_state.proto";',
      'import "envoy/config/common/mutation_rules/v3/mutation_rules.proto";',
      'import "envoy/config/core/v3/substitution_format_string.proto";',
      'message CookieMatcher { string name = 1; type.matcher.v3.StringMatcher string_match = 2; bool invert_match = 3; }',
    ],
  ],
  [ROUTE, 'message VirtualHost {', ['google.protobuf.UInt64Value request_body_buffer_limit = 25;']],
  [ROUTE, 'message Route {', ['google.protobuf.UInt64Value request_body_buffer_limit = 20;']],
  [ROUTE, '  oneof random_value_specifier {', ['google.protobuf.BoolValue use_hash_policy = 5;']],
  [
    ROUTE,
    'message RouteMatch {',
    ['repeated CookieMatcher cookies = 17;', 'repeated type.matcher.v3.FilterStateMatcher filter_state = 16;'],
  ],
  [ROUTE, 'message RouteAction {', ['string path_rewrite = 45;', 'google.protobuf.Duration flush_timeout = 42;']],
  [ROUTE, '  oneof host_rewrite_specifier {', ['string host_rewrite = 44;']],
  [
    ROUTE,
    '  message RequestMirrorPolicy {',
    [
      'repeated common.mutation_rules.v3.HeaderMutation request_headers_mutations = 7;',
      'string host_rewrite_literal = 8;',
    ],
  ],
  [ROUTE, 'message RetryPolicy {', ['bool refresh_cluster_on_retry = 14;']],
  [ROUTE, '  oneof path_rewrite_specifier {', ['string path_rewrite = 10;']],
  [ROUTE, 'message DirectResponseAction {', ['core.v3.SubstitutionFormatString body_format = 3;']],
  [ROUTE, 'message Tracing {', ['string operation = 5;', 'string upstream_operation = 6;']],
  ['envoy/config/route/v3/route.proto', 'message RouteConfiguration {', ['string vhost_header = 18;']],
  [FILTER_STATE, 'import "envoy/type/matcher/v3/string.proto";', ['import "envoy/type/matcher/v3/address.proto";']],
  [FILTER_STATE, '  oneof matcher {', ['AddressMatcher address_match = 3;']],
  [MUTATION_RULES, 'import "envoy/type/matcher/v3/regex.proto";', ['import "envoy/type/matcher/v3/string.proto";']],
  [
    MUTATION_RULES,
    'message HeaderMutation {',
    ['message RemoveOnMatch { type.matcher.v3.StringMatcher key_matcher = 1; }'],
  ],
  [MUTATION_RULES, '  oneof action {', ['RemoveOnMatch remove_on_match = 3;']],
  [
    HEADER_MUTATION,
    'import "envoy/config/common/mutation_rules/v3/mutation_rules.proto";',
    ['import "envoy/config/core/v3/base.proto";'],
  ],
  [
    HEADER_MUTATION,
    'message Mutations {',
    [
      'repeated config.core.v3.KeyValueMutation query_parameter_mutations = 3;',
      'repeated config.common.mutation_rules.v3.HeaderMutation response_trailers_mutations = 4;',
      'repeated config.common.mutation_rules.v3.HeaderMutation request_trailers_mutations = 5;',
    ],
  ],
  [
    'envoy/config/core/v3/base.proto',
    'import "google/protobuf/wrappers.proto";',
    ['message KeyValuePair { string key = 1; google.protobuf.Value value = 2; }'],
  ],
  ['envoy/config/core/v3/base.proto', 'message KeyValueAppend {', ['KeyValuePair record = 3;']],
  [XFF, 'import "udpa/annotations/status.proto";', XFF_IMPORTS],
  [
    XFF,
    'message XffConfig {',
    ['XffTrustedCidrs xff_trusted_cidrs = 2;', 'google.protobuf.BoolValue skip_xff_append = 3;'],
  ],
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
    HCM,
    '  message Tracing {',
    ['string operation = 11;', 'string upstream_operation = 12;', 'bool no_context_propagation = 13;'],
  ],
  [
    HCM,
    'message HttpConnectionManager {',
    [
      'enum ForwardClientCertFormat { TEXT = 0; JSON = 1; }',
      'bool http1_safe_max_connection_duration = 58;',
      'google.protobuf.Duration stream_flush_timeout = 59;',
      'ForwardProtoConfig forward_proto_config = 61;',
      'type.v3.Percent drain_timeout_jitter = 62;',
    ],
  ],
  [HCM, '  message SetCurrentClientCertDetails {', ['bool issuer = 8;', 'ForwardClientCertFormat format = 7;']],
  [
    HCM,
    'import "envoy/config/core/v3/protocol.proto";',
    [
      'message ForwardProtoConfig { repeated uint32 https_destination_ports = 1; repeated uint32 http_destination_ports = 2; }',
    ],
  ],
  [PROTOCOL, 'message Http1ProtocolOptions {', ['repeated type.matcher.v3.StringMatcher ignore_http_11_upgrade = 11;']],
  [PROTOCOL, 'import "envoy/type/v3/percent.proto";', ['import "envoy/type/matcher/v3/string.proto";']],
  [
    PROTOCOL,
    'message HttpProtocolOptions {',
    ['type.v3.Percent max_connection_duration_jitter = 8;', 'google.protobuf.UInt32Value max_response_headers_kb = 7;'],
  ],
];
