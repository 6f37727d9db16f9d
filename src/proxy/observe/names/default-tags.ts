/** One of Envoy's built-in tags: how it is found in the name of a statistic. */
export interface DefaultTag {
  readonly tag: string;
  /** Group 1 is cut out of the name, group 2 is the value. */
  readonly regex: string;
}

/** A part of a name between dots. */
const PART = '[^.]+';
/** How the address of a listener, or its `stat_prefix`, stands in names. */
const ADDRESS = '\\d+(?:\\.\\d+)*_\\d+|\\[[0-9a-fA-F_]*\\]_\\d+|(?!admin\\.)[^.]+';
const WORKER_OWNER = 'server|listener_manager|thread_local_cluster_manager';

const tag = (name: string, regex: string): DefaultTag => ({ tag: name, regex });

/**
 * The tags that Envoy takes out of names unless the bootstrap says otherwise (`stats_config.use_all_default_tags`), in
 * the order in which they become labels. Those of protocols that this proxy does not speak are not among them.
 */
export const DEFAULT_TAGS: readonly DefaultTag[] = [
  tag('envoy.response_code', '_rq(_(\\d{3}))$'),
  tag('envoy.response_code_class', '_rq_((\\d))xx$'),
  tag('envoy.http_user_agent', `^http\\.${PART}\\.user_agent\\.((${PART})\\.)`),
  tag('envoy.virtual_cluster', `^vhost\\.${PART}\\.vcluster\\.((${PART})\\.)`),
  tag('envoy.fault_downstream_cluster', `^http\\.${PART}\\.fault\\.((${PART})\\.)`),
  tag('envoy.ssl_cipher', '^listener\\..*?\\.ssl\\.ciphers(\\.([\\w-]+))$'),
  tag('cipher_suite', `^cluster\\.${PART}\\.ssl\\.ciphers(\\.([\\w-]+))$`),
  tag('envoy.ssl_version', '^(?:listener|cluster)\\..*?\\.ssl\\.versions(\\.([\\w.-]+))$'),
  tag('envoy.ssl_curve', '^(?:listener|cluster)\\..*?\\.ssl\\.curves(\\.([\\w-]+))$'),
  tag('envoy.ssl_sigalg', '^(?:listener|cluster)\\..*?\\.ssl\\.sigalgs(\\.([\\w-]+))$'),
  tag('envoy.grpc_bridge_method', `^cluster\\.${PART}\\.grpc\\.${PART}\\.((${PART})\\.)`),
  tag('envoy.grpc_bridge_service', `^cluster\\.${PART}\\.grpc\\.((${PART})\\.)`),
  tag('envoy.tcp_prefix', `^tcp\\.((${PART})\\.)`),
  tag('envoy.clientssl_prefix', `^auth\\.clientssl\\.((${PART})\\.)`),
  tag('envoy.ratelimit_prefix', `^ratelimit\\.((${PART})\\.)`),
  tag('envoy.cluster_name', `^cluster\\.((${PART})\\.)`),
  tag('envoy.rbac_policy_name', `^http\\.${PART}\\.rbac\\.(?:${PART}\\.)?policy\\.((${PART})\\.)`),
  tag('envoy.rbac_http_prefix', `^http\\.${PART}\\.rbac\\.((?!policy\\.)(${PART})\\.)`),
  tag('envoy.ext_authz_prefix', `^http\\.${PART}\\.ext_authz\\.((${PART})\\.)`),
  tag('envoy.ext_authz_prefix', `^cluster\\.${PART}\\.ext_authz\\.((${PART})\\.)`),
  tag('envoy.http_conn_manager_prefix', `^listener\\..*?\\.http\\.((${PART})\\.)`),
  tag('envoy.rds_route_config', `^http\\.${PART}\\.rds\\.((.+?)\\.)\\w+$`),
  tag('envoy.http_conn_manager_prefix', `^http\\.((${PART})\\.)`),
  tag('envoy.worker_id', `^(?:listener)\\.(?:${ADDRESS})\\.worker_((\\d+)\\.)`),
  tag('envoy.worker_id', `^(?:${WORKER_OWNER})\\.worker_((\\d+)\\.)`),
  tag('envoy.listener_address', `^listener\\.((${ADDRESS})\\.)`),
  tag('envoy.virtual_host', `^vhost\\.((${PART})\\.)`),
  tag('envoy.route', `^vhost\\.${PART}\\.route\\.((${PART})\\.)`),
  tag('envoy.xds_resource_name', `^(?:sds|extension_config_discovery)\\.((.+?)\\.)\\w+$`),
  tag('envoy.rbac_prefix', `^((${PART})\\.)rbac\\.`),
  tag('envoy.local_http_ratelimit_prefix', `^((${PART})\\.)http_local_rate_limit\\.`),
  tag('envoy.local_network_ratelimit_prefix', `^local_rate_limit\\.((${PART})\\.)`),
  tag('envoy.connection_limit_prefix', `^connection_limit\\.((${PART})\\.)`),
];
