import { fromBinary, type JsonValue } from '@bufbuild/protobuf';
import { type Bootstrap, BootstrapSchema } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { FileAccessLogSchema } from '../api/gen/envoy/extensions/access_loggers/file/v3/file_pb.ts';
import { messageFromJson } from '../api/json.ts';
import { typeNameOf } from '../api/registry.ts';
import { UserError } from '../base/errors.ts';
import { SUPPORTED as CLUSTER } from './cluster/supported.ts';
import { describeProblems, parseConfig, pathOf, readTextFile } from './config/document.ts';
import { ConfigErrors } from './config/errors.ts';
import { checkSupported, type SupportTable } from './config/supported.ts';
import { SUPPORTED as LISTENER } from './net/supported.ts';
import { SUPPORTED as TLS } from './tls/supported.ts';

const V3 = 'envoy.config.bootstrap.v3';

/** Fields of a bootstrap that are honoured, or that have no meaning in this runtime (watchdogs, memory). */
export const SUPPORTED: SupportTable = {
  ...CLUSTER,
  ...LISTENER,
  ...TLS,
  [`${V3}.Bootstrap`]: [
    'node',
    'static_resources',
    'dynamic_resources',
    'cluster_manager',
    'stats_config',
    'stats_sinks',
    'tracing',
    'stats_flush_interval',
    'stats_flush_on_admin',
    'watchdog',
    'watchdogs',
    'layered_runtime',
    'admin',
    'overload_manager',
    'enable_dispatcher_stats',
    'use_tcp_for_dns_lookups',
    'dns_resolution_config',
    'typed_dns_resolver_config',
    'default_regex_engine',
    'deferred_stat_options',
    'memory_allocator_manager',
    'application_log_config',
    'bootstrap_extensions',
  ],
  [`${V3}.Bootstrap.StaticResources`]: ['listeners', 'clusters', 'secrets'],
  [`${V3}.Bootstrap.DynamicResources`]: ['lds_config', 'cds_config', 'ads_config'],
  [`${V3}.Admin`]: ['access_log', 'access_log_path', 'profile_path', 'address', 'ignore_global_conn_limit'],
  // How soon a stream of configuration is opened again; streams that a proxy is told of by discovery have Envoy's delays.
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': ['cluster_name', 'authority', 'retry_policy'],
  'envoy.config.core.v3.RetryPolicy': ['retry_back_off'],
  'envoy.config.core.v3.BackoffStrategy': ['base_interval', 'max_interval'],
  [`${V3}.ClusterManager`]: [
    'local_cluster_name',
    'outlier_detection',
    'upstream_bind_config',
    'enable_deferred_cluster_creation',
  ],
  [`${V3}.ClusterManager.OutlierDetection`]: ['event_log_path'],
  'envoy.config.trace.v3.Tracing': ['http'],
  'envoy.config.trace.v3.Tracing.Http': ['name', 'typed_config'],
  [`${V3}.LayeredRuntime`]: ['layers'],
  [`${V3}.RuntimeLayer`]: ['name', 'static_layer', 'disk_layer', 'admin_layer', 'rtds_layer'],
  [`${V3}.RuntimeLayer.DiskLayer`]: ['symlink_root', 'subdirectory', 'append_service_cluster'],
  [`${V3}.RuntimeLayer.RtdsLayer`]: ['name', 'rtds_config'],
  [`${V3}.RuntimeLayer.AdminLayer`]: [],
  [`${V3}.Watchdog`]: [
    'miss_timeout',
    'megamiss_timeout',
    'kill_timeout',
    'multikill_timeout',
    'max_kill_timeout_jitter',
  ],
  [`${V3}.Watchdogs`]: ['main_thread_watchdog', 'worker_watchdog'],
  [`${V3}.Bootstrap.DeferredStatOptions`]: ['enable_deferred_creation_stats'],
  [`${V3}.Bootstrap.ApplicationLogConfig`]: ['log_format'],
  [`${V3}.Bootstrap.ApplicationLogConfig.LogFormat`]: ['text_format', 'json_format'],
  [`${V3}.MemoryAllocatorManager`]: ['bytes_to_release', 'memory_release_interval'],
  'envoy.config.metrics.v3.StatsSink': ['name', 'typed_config'],
  'envoy.config.metrics.v3.StatsConfig': [
    'stats_tags',
    'use_all_default_tags',
    'stats_matcher',
    'histogram_bucket_settings',
  ],
  'envoy.config.metrics.v3.TagSpecifier': ['tag_name', 'regex', 'fixed_value'],
  'envoy.config.metrics.v3.StatsMatcher': ['reject_all', 'exclusion_list', 'inclusion_list'],
  'envoy.config.metrics.v3.HistogramBucketSettings': ['match', 'buckets', 'bins'],
  'envoy.type.matcher.v3.ListStringMatcher': ['patterns'],
  'envoy.config.overload.v3.OverloadManager': ['refresh_interval', 'resource_monitors', 'actions', 'loadshed_points'],
  'envoy.config.overload.v3.ResourceMonitor': ['name', 'typed_config'],
  'envoy.config.core.v3.Node': [
    'id',
    'cluster',
    'metadata',
    'locality',
    'user_agent_name',
    'user_agent_version',
    'user_agent_build_version',
    'client_features',
    'extensions',
  ],
  'envoy.config.core.v3.BuildVersion': ['version', 'metadata'],
  'envoy.type.v3.SemanticVersion': ['major_number', 'minor_number', 'patch'],
  'envoy.config.core.v3.Extension': ['name', 'category', 'version', 'type_urls'],
};

/** A bootstrap that was read, with where its fields stand. */
export interface LoadedBootstrap {
  readonly bootstrap: Bootstrap;
  /** A sentence with the place for every field that there is none of; none unless they are allowed. */
  readonly unknown: readonly string[];
}

/**
 * Reads a bootstrap in YAML or JSON. Everything that is unknown or not supported is an error that names the place; all
 * of them come in one UserError.
 */
export function loadBootstrap(
  path: string | undefined,
  inline: string | undefined,
  allowUnknown = false,
): LoadedBootstrap {
  const base = path === undefined ? undefined : parseConfig(readTextFile(path), path);
  const extra = inline === undefined ? undefined : parseConfig(inline, '--config-yaml');
  if (base === undefined && extra === undefined) {
    throw new UserError('a configuration is needed: use -c FILE, or --config-yaml TEXT');
  }
  const source = base ?? extra!;
  // Envoy merges the inline text over the file.
  const json = base && extra ? merge(base.json, extra.json) : source.json;
  const read = messageFromJson(BootstrapSchema, json ?? {}, { allowUnknown });
  if ('problems' in read) throw new UserError(describeProblems(read.problems, source).join('\n'));
  const errors = new ConfigErrors();
  checkSupported(BootstrapSchema, read.message, SUPPORTED, errors);
  checkValues(read.message, errors);
  if (errors.any) {
    const problems = errors.list.map((e) => ({ path: pathOf(e.path), message: e.message }));
    throw new UserError(describeProblems(problems, source).join('\n'));
  }
  return { bootstrap: read.message, unknown: describeProblems(read.unknown, source) };
}

/** Fields of which we have one value only. */
function checkValues({ admin, defaultRegexEngine }: Bootstrap, errors: ConfigErrors): void {
  const engine = typeNameOf(defaultRegexEngine?.typedConfig?.typeUrl ?? '');
  if (defaultRegexEngine && engine !== 'envoy.extensions.regex_engines.v3.GoogleRE2') {
    errors.at('default_regex_engine').add('typed_config', 'only GoogleRE2 is supported');
  }
  const at = errors.at('admin');
  admin?.accessLog.forEach(({ configType }, i) => {
    const { typeUrl = '', value = new Uint8Array(0) } = configType.case === 'typedConfig' ? configType.value : {};
    const file =
      typeNameOf(typeUrl) === FileAccessLogSchema.typeName ? fromBinary(FileAccessLogSchema, value) : undefined;
    if (file?.path !== NOWHERE) at.at('access_log').at(i).add('', `${ADMIN_LOG}, but to the file ${NOWHERE}`);
  });
  const path = admin?.accessLogPath ?? '';
  if (path !== '' && path !== NOWHERE) at.add('access_log_path', `${ADMIN_LOG}, but to ${NOWHERE}`);
}

const NOWHERE = '/dev/null';
const ADMIN_LOG = 'requests to the admin interface are not logged';

function merge(base: JsonValue, extra: JsonValue): JsonValue {
  if (!isPlain(base) || !isPlain(extra)) {
    return Array.isArray(base) && Array.isArray(extra) ? [...base, ...extra] : extra;
  }
  const result: Record<string, JsonValue> = { ...base };
  for (const [key, value] of Object.entries(extra)) result[key] = key in base ? merge(base[key], value) : value;
  return result;
}

function isPlain(json: JsonValue): json is Record<string, JsonValue> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
