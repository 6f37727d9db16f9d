import { httpFilterPatch, typeUrl } from '../enroute/patches.ts';

/** The cluster by which proxies ask the control plane whether a request is one too many. */
export const RATE_LIMIT_CLUSTER = 'isthmus-ratelimit';
/** Port of the control plane that asks for proof of who calls. */
const SECURE_PORT = 15_012;
/** A domain of its own for each RateLimit of a namespace: Envoy knows so many stages of limits. */
export const MAX_STAGE = 10;

/** A proxy does not wait longer than this, before it serves, for what it only needs to count. */
const PATIENCE = '1s';

/** What a cluster and a filter are patched into. */
type Context = 'GATEWAY' | 'SIDECAR_INBOUND';

/** The control plane as an upstream: found as the Service that it is, proven to and proving itself by certificate. */
export function rateLimitClusterPatch(controlNamespace: string, context: Context): object {
  return {
    applyTo: 'CLUSTER',
    match: { context },
    patch: {
      operation: 'ADD',
      value: {
        name: RATE_LIMIT_CLUSTER,
        type: 'EDS',
        connect_timeout: '1s',
        eds_cluster_config: {
          service_name: `outbound|${SECURE_PORT}||istiod.${controlNamespace}.svc.cluster.local`,
          eds_config: { ads: {}, initial_fetch_timeout: PATIENCE, resource_api_version: 'V3' },
        },
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': typeUrl('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': typeUrl('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
            sni: `istiod.${controlNamespace}.svc`,
            common_tls_context: {
              alpn_protocols: ['h2'],
              tls_certificate_sds_secret_configs: [workloadSecret('default')],
              combined_validation_context: {
                default_validation_context: {
                  match_typed_subject_alt_names: [
                    { san_type: 'DNS', matcher: { exact: `istiod.${controlNamespace}.svc` } },
                  ],
                },
                validation_context_sds_secret_config: workloadSecret('ROOTCA'),
              },
            },
          },
        },
      },
    },
  };
}

/** What the agent of a proxy serves. */
function workloadSecret(name: string): object {
  return {
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      initial_fetch_timeout: PATIENCE,
      resource_api_version: 'V3',
    },
  };
}

export interface SharedFilter {
  readonly domain: string;
  readonly stage: number;
  readonly failureModeDeny: boolean;
  readonly timeoutMs: number;
}

/** The filter that asks. */
export function rateLimitFilterPatch(settings: SharedFilter, context: Context): object {
  const { domain, stage, failureModeDeny, timeoutMs } = settings;
  return httpFilterPatch(
    'envoy.filters.http.ratelimit',
    {
      '@type': typeUrl('envoy.extensions.filters.http.ratelimit.v3.RateLimit'),
      domain,
      stage,
      timeout: `${timeoutMs / 1000}s`,
      failure_mode_deny: failureModeDeny,
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
      rate_limit_service: {
        transport_api_version: 'V3',
        grpc_service: { envoy_grpc: { cluster_name: RATE_LIMIT_CLUSTER } },
      },
    },
    { context },
  );
}
