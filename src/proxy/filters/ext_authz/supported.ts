import type { SupportTable } from '../../config/supported.ts';
import { GRPC_SERVICE } from '../common/grpc-service.ts';
import { METADATA_MATCHERS } from '../common/supported.ts';

const V3 = 'envoy.extensions.filters.http.ext_authz.v3';

/** Fields of the filter's configuration that are honoured. */
export const SUPPORTED: SupportTable = {
  ...METADATA_MATCHERS,
  ...GRPC_SERVICE,
  [`${V3}.ExtAuthz`]: [
    'grpc_service',
    'http_service',
    'transport_api_version',
    'failure_mode_allow',
    'failure_mode_allow_header_add',
    'with_request_body',
    'clear_route_cache',
    'status_on_error',
    // Changes that cannot be are refused whether or not this says so.
    'validate_mutations',
    'metadata_context_namespaces',
    'route_metadata_context_namespaces',
    'filter_enabled',
    'filter_enabled_metadata',
    'deny_at_disable',
    'include_peer_certificate',
    'stat_prefix',
    'bootstrap_metadata_labels_key',
    'allowed_headers',
    'disallowed_headers',
    'include_tls_session',
    'charge_cluster_response_stats',
    'encode_raw_headers',
    'enable_dynamic_metadata_ingestion',
  ],
  [`${V3}.BufferSettings`]: ['max_request_bytes', 'allow_partial_message', 'pack_as_bytes'],
  [`${V3}.HttpService`]: ['server_uri', 'path_prefix', 'authorization_request', 'authorization_response'],
  [`${V3}.AuthorizationRequest`]: ['allowed_headers', 'headers_to_add'],
  [`${V3}.AuthorizationResponse`]: [
    'allowed_upstream_headers',
    'allowed_upstream_headers_to_append',
    'allowed_client_headers',
    'allowed_client_headers_on_success',
    'dynamic_metadata_from_headers',
  ],
  [`${V3}.ExtAuthzPerRoute`]: ['disabled', 'check_settings'],
  [`${V3}.CheckSettings`]: ['context_extensions', 'disable_request_body_buffering', 'with_request_body'],
  'envoy.config.core.v3.HttpUri': ['uri', 'cluster', 'timeout'],
  'envoy.config.core.v3.RuntimeFeatureFlag': ['default_value', 'runtime_key'],
  'envoy.type.v3.HttpStatus': ['code'],
  'envoy.type.matcher.v3.ListStringMatcher': ['patterns'],
};
