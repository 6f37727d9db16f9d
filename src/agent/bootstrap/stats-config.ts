import { UserError } from '../../base/errors.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { parseDuration } from '../environment/values.ts';

export interface StatsOptions {
  readonly proxyConfig: ProxyConfig;
  readonly annotations: Readonly<Record<string, string>>;
  readonly instanceIps: readonly string[];
  readonly exitOnZeroActiveConnections: boolean;
}

/** What readiness, Istio's dashboards and its own metrics need, whatever else is asked for. */
const PREFIXES = ['cluster_manager', 'listener_manager', 'server', 'cluster.xds-grpc', 'wasm'];
const SUFFIXES = ['rbac.allowed', 'rbac.denied', 'shadow_allowed', 'shadow_denied'];
const DRAIN_SUFFIX = 'downstream_cx_active';
const REGEXPS = ['vhost\\.*\\.route\\.*'];

/**
 * What of a statistic's name is a label in Prometheus: Envoy takes the outer group out of the name, and the inner one is
 * the value. The labels are Istio's.
 */
const TAGS: readonly (readonly [name: string, regex: string])[] = [
  // Up to the first dot, or to the end of the host of a service of the cluster.
  ['cluster_name', '^cluster\\.(([^.]+(?:\\.[^.]+\\.svc\\.cluster\\.local)?)\\.)'],
  ['tcp_prefix', '^tcp\\.(([^.]*)\\.)\\w+$'],
  ['response_code', '_rq(_(\\d{3}))$'],
  ['response_code_class', '_rq(_(\\dxx))$'],
  ['http_conn_manager_listener_prefix', '^listener\\.[^h]*?\\.http\\.(([0-9a-fA-F_.\\[\\]]+)\\.)'],
  ['http_conn_manager_prefix', '^http\\.(([0-9a-fA-F_.\\[\\]]+)\\.)'],
  ['listener_address', '^listener\\.(([0-9a-fA-F_.\\[\\]]+)\\.)'],
];
const MORE_TAGS: readonly (readonly [name: string, regex: string])[] = [
  ['cache', '(cache\\.([^.]+)\\.)'],
  ['component', '(component\\.([^.]+)\\.)'],
  ['tag', '(tag\\.([^;]+);\\.)'],
  ['authz_enforce_result', 'rbac(\\.(allowed|denied))'],
  ['authz_dry_run_action', '(\\.istio_dry_run_(allow|deny)_)'],
  ['authz_dry_run_result', '(\\.shadow_(allowed|denied))'],
];

const ANNOTATION = 'sidecar.istio.io/';

/** `stats_config` of a bootstrap: which statistics a proxy keeps, and which parts of their names are labels. */
export function statsConfig(options: StatsOptions): object {
  const { proxyConfig, annotations, exitOnZeroActiveConnections } = options;
  const { inclusionPrefixes, inclusionSuffixes, inclusionRegexps } = proxyConfig.proxyStatsMatcher ?? {};
  const suffixes = exitOnZeroActiveConnections ? [...SUFFIXES, DRAIN_SUFFIX] : SUFFIXES;
  const listed = (name: string, configured: readonly string[] | undefined, required: readonly string[]) =>
    substitute([...(list(annotations[ANNOTATION + name]) ?? configured ?? []), ...required], options.instanceIps);
  const extraTags = new Set([
    ...(proxyConfig.extraStatTags ?? []),
    ...(list(annotations[`${ANNOTATION}extraStatTags`]) ?? []),
  ]);
  const buckets = histogramBuckets(annotations[`${ANNOTATION}statsHistogramBuckets`]);
  return {
    use_all_default_tags: false,
    stats_tags: [
      ...TAGS.map(([tag_name, regex]) => ({ tag_name, regex })),
      ...[...extraTags].map((tag) => ({ tag_name: tag, regex: `(${escapeRegex(tag)}=\\.=(.*?);\\.;)` })),
      ...MORE_TAGS.map(([tag_name, regex]) => ({ tag_name, regex })),
    ],
    ...(buckets.length > 0 && { histogram_bucket_settings: buckets }),
    stats_matcher: {
      inclusion_list: {
        patterns: [
          { prefix: 'reporter=' },
          ...listed('statsInclusionPrefixes', inclusionPrefixes, PREFIXES).map((prefix) => ({ prefix })),
          ...listed('statsInclusionSuffixes', inclusionSuffixes, suffixes).map((suffix) => ({ suffix })),
          ...listed('statsInclusionRegexps', inclusionRegexps, REGEXPS).map((regex) => ({ safe_regex: { regex } })),
          { prefix: 'component' },
          { prefix: 'istio' },
        ],
      },
    },
  };
}

const DEFAULT_FLUSH = 5000;

/**
 * `stats_flush_interval` and `stats_eviction_interval`, by annotations of the pod. Our own proxy forgets a statistic with
 * what it is of, and at no interval.
 */
export function statsIntervals(annotations: Readonly<Record<string, string>>, forEnvoy: boolean): object {
  const flush = interval(annotations, 'statsFlushInterval');
  const eviction = interval(annotations, 'statsEvictionInterval');
  if (eviction !== undefined && eviction % (flush ?? DEFAULT_FLUSH) !== 0)
    throw new UserError(
      `The annotation ${ANNOTATION}statsEvictionInterval must be a multiple of ${ANNOTATION}statsFlushInterval (5s unless told).`,
    );
  return {
    ...(flush !== undefined && { stats_flush_interval: `${flush / 1000}s` }),
    ...(eviction !== undefined && forEnvoy && { stats_eviction_interval: `${eviction / 1000}s` }),
  };
}

/** Milliseconds. */
function interval(annotations: Readonly<Record<string, string>>, name: string): number | undefined {
  const text = annotations[ANNOTATION + name];
  if (!text) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms < 1)
    throw new UserError(
      `The annotation ${ANNOTATION}${name} must be a duration such as 10s, not ${JSON.stringify(text)}.`,
    );
  return ms;
}

function list(annotation: string | undefined): string[] | undefined {
  return annotation ? annotation.split(',').filter((item) => item !== '') : undefined;
}

/** `{pod_ip}` stands for every address of the pod. */
function substitute(patterns: readonly string[], ips: readonly string[]): string[] {
  return patterns.flatMap((pattern) =>
    pattern.includes('{pod_ip}') ? ips.map((ip) => pattern.replace('{pod_ip}', ip)) : [pattern],
  );
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** The annotation is a JSON object from prefixes of names to bounds: `{"istio": [1, 5, 10]}`. */
function histogramBuckets(annotation: string | undefined): object[] {
  if (!annotation) return [];
  let value: unknown;
  try {
    value = JSON.parse(annotation);
  } catch {
    value = undefined;
  }
  const isBounds = (v: unknown) => Array.isArray(v) && v.every((n) => typeof n === 'number' && n > 0);
  if (typeof value !== 'object' || value === null || !Object.values(value).every(isBounds))
    throw new UserError(
      `The annotation ${ANNOTATION}statsHistogramBuckets must be a JSON object such as {"istiocustom":[1,5,10]}.`,
    );
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([prefix, buckets]) => ({ match: { prefix }, buckets }));
}
