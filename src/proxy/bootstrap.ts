import fs from 'node:fs';
import { fromBinary, type JsonValue } from '@bufbuild/protobuf';
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument } from 'yaml';
import { type Bootstrap, BootstrapSchema } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { FileAccessLogSchema } from '../api/gen/envoy/extensions/access_loggers/file/v3/file_pb.ts';
import { type JsonProblem, messageFromJson } from '../api/json.ts';
import { typeNameOf } from '../api/registry.ts';
import { formatLocation, messageOf, UserError } from '../base/errors.ts';
import { SUPPORTED as CLUSTER } from './cluster/supported.ts';
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
  [`${V3}.RuntimeLayer`]: ['name', 'static_layer', 'admin_layer'],
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
  const base = path === undefined ? undefined : parse(readFile(path), path);
  const extra = inline === undefined ? undefined : parse(inline, '--config-yaml');
  if (base === undefined && extra === undefined) {
    throw new UserError('a configuration is needed: use -c FILE, or --config-yaml TEXT');
  }
  const source = base ?? extra!;
  // Envoy merges the inline text over the file.
  const json = base && extra ? merge(base.json, extra.json) : source.json;
  const read = messageFromJson(BootstrapSchema, json ?? {}, { allowUnknown });
  if ('problems' in read) throw new UserError(describe(read.problems, source).join('\n'));
  const errors = new ConfigErrors();
  checkSupported(BootstrapSchema, read.message, SUPPORTED, errors);
  checkValues(read.message, errors);
  if (errors.any) {
    const problems = errors.list.map((e) => ({ path: pathOf(e.path), message: e.message }));
    throw new UserError(describe(problems, source).join('\n'));
  }
  return { bootstrap: read.message, unknown: describe(read.unknown, source) };
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

function readFile(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`cannot read ${path}: ${messageOf(error)}`);
  }
}

interface Source {
  readonly name: string;
  readonly json: JsonValue;
  readonly document: Document;
  readonly lines: LineCounter;
}

function parse(text: string, name: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true });
  const [problem] = document.errors;
  if (problem) {
    const at = lines.linePos(problem.pos[0]);
    const [sentence] = problem.message.split(' at line');
    throw new UserError(`${formatLocation({ file: name, line: at.line, column: at.col })}: ${sentence}`);
  }
  return { name, json: document.toJS({ maxAliasCount: 1000 }) as JsonValue, document, lines };
}

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

function describe(problems: readonly JsonProblem[], source: Source): string[] {
  return problems.map(({ path, message }) => {
    const at = locate(source, path);
    const field = formatPath(path);
    return `${formatLocation({ file: source.name, ...at })}: ${field ? `${field}: ` : ''}${message}`;
  });
}

function formatPath(path: readonly (string | number)[]): string {
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('');
}

/** `a.b[0].c` -> its steps. */
function pathOf(text: string): (string | number)[] {
  return [...text.matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) =>
    index === undefined ? (quoted ?? name) : Number(index),
  );
}

/** Where a path, or the nearest thing above it that was written, stands. */
function locate({ document, lines }: Source, path: readonly (string | number)[]): { line: number; column: number } {
  let node: unknown = document.contents;
  let best = 0;
  for (const step of path) {
    let next: unknown;
    if (isMap(node)) {
      const names = typeof step === 'string' ? [step, camel(step)] : [String(step)];
      const pair = node.items.find((item) => isNode(item.key) && names.includes(String(item.key.toJSON())));
      if (pair && isNode(pair.key) && pair.key.range) [best] = pair.key.range;
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(step)];
      if (isNode(next) && next.range) [best] = next.range;
    }
    if (next === undefined || next === null) break;
    node = next;
  }
  const { line, col } = lines.linePos(best);
  return { line, column: col };
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
