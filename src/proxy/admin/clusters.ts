import { RE2JS } from 're2js';
import type { ActiveCluster } from '../cluster/active-cluster.ts';
import { HEALTH_FLAG_NAMES, HealthFlag, type Host, type HostStats } from '../cluster/host.ts';
import type { HostMonitor } from '../cluster/outlier/monitor.ts';
import type { ResourceManager } from '../cluster/resources.ts';
import { addressJson, localityJson } from './config-dump/endpoints.ts';
import type { Json } from './config-dump/message-json.ts';
import type { JsonObject } from './config-dump/section.ts';
import { type AdminHandler, badRequest, JSON_TYPE } from './handler.ts';
import type { AdminProxy } from './proxy.ts';

interface Entry {
  readonly active: ActiveCluster;
  readonly dynamic: boolean;
}

const JSON_FLAGS: Readonly<Record<string, string>> = {
  failed_active_hc: 'failed_active_health_check',
  failed_outlier_check: 'failed_outlier_check',
  degraded_active_hc: 'failed_active_degraded_check',
  pending_dynamic_removal: 'pending_dynamic_removal',
  pending_active_hc: 'pending_active_hc',
  excluded_via_immediate_hc_fail: 'excluded_via_immediate_hc_fail',
  active_hc_timeout: 'active_hc_timeout',
};

/** Names of health flags as they stand in the text, in its order; those of JSON, where it has any, differ. */
const FLAGS = HEALTH_FLAG_NAMES.map((name, bit) => [1 << bit, `/${name}`, JSON_FLAGS[name] ?? ''] as const);

const SUCCESS_RATES = [
  ['success_rate', 'external'],
  ['local_origin_success_rate', 'local'],
] as const;

/** Six significant digits, as Envoy writes numbers in this text. */
function decimal(value: number): number {
  return Number(value.toPrecision(6));
}

const COUNTERS = ['cx_connect_fail', 'cx_total', 'rq_error', 'rq_success', 'rq_timeout', 'rq_total'] as const;
const GAUGES = ['cx_active', 'rq_active', 'rq_pending_active'] as const;
const BY_NAME = [...COUNTERS, ...GAUGES].sort();

export const clusters: AdminHandler = {
  path: '/clusters',
  help: 'print clusters and their hosts, with health and numbers',
  parameters: [
    { id: 'filter', help: 'Only clusters whose name matches this regular expression (RE2)', kind: 'text' },
    { id: 'format', help: 'Format to use', choices: ['text', 'json'] },
  ],
  run(proxy, query) {
    const regex = query.get('filter');
    let wanted = (_name: string) => true;
    if (regex) {
      try {
        const compiled = RE2JS.compile(regex);
        wanted = (name) => compiled.test(name);
      } catch {
        return badRequest('Invalid re2 regex');
      }
    }
    const entries = [...proxy.clusters.activeEntries()].filter(({ active }) => wanted(active.name));
    entries.sort((a, b) => (a.active.name < b.active.name ? -1 : 1));
    return query.get('format') === 'json'
      ? { type: JSON_TYPE, body: clustersJson(entries) }
      : { body: clustersText(proxy, entries) };
  },
};

function* clustersText(_proxy: AdminProxy, entries: readonly Entry[]): Generator<string> {
  for (const { active, dynamic } of entries) {
    const { cluster, name } = active;
    const { config, outliers } = cluster;
    let text = '';
    const line = (...parts: readonly (string | number | boolean)[]) => {
      text += `${name}::${parts.join('::')}\n`;
    };
    line('observability_name', cluster.statName);
    if (outliers) {
      for (const [kind, origin] of SUCCESS_RATES) {
        const { average, threshold } = outliers.thresholds[origin];
        line('outlier', `${kind}_average`, decimal(average));
        line('outlier', `${kind}_ejection_threshold`, decimal(threshold));
      }
    }
    for (const [priority, resources] of priorities(active)) {
      for (const [key, value] of thresholds(resources)) line(`${priority}_priority`, key, value);
    }
    line('added_via_api', dynamic);
    if (config.eds?.serviceName) line('eds_service_name', config.eds.serviceName);
    for (const host of cluster.hosts) {
      const { hostname, weight, locality, canary, priority } = host.description;
      for (const stat of BY_NAME) line(host.name, stat, host.stats[stat]);
      line(host.name, 'hostname', hostname);
      line(host.name, 'health_flags', healthText(host));
      line(host.name, 'weight', weight);
      line(host.name, 'region', locality.region);
      line(host.name, 'zone', locality.zone);
      line(host.name, 'sub_zone', locality.subZone);
      line(host.name, 'canary', canary);
      line(host.name, 'priority', priority);
      const monitor = outliers?.monitorOf(host);
      for (const [kind, origin] of SUCCESS_RATES) line(host.name, kind, decimal(monitor?.[origin].shown ?? -1));
    }
    yield text;
  }
}

function priorities({ cluster }: ActiveCluster): readonly (readonly [string, ResourceManager])[] {
  return [
    ['default', cluster.defaultResources],
    ['high', cluster.highResources],
  ];
}

function thresholds(resources: ResourceManager): readonly (readonly [string, number])[] {
  return [
    ['max_connections', resources.connections.max],
    ['max_pending_requests', resources.pendingRequests.max],
    ['max_requests', resources.requests.max],
    ['max_retries', resources.retries.max],
  ];
}

function healthText({ health }: Host): string {
  const flags = FLAGS.filter(([flag]) => health & flag).map(([, text]) => text);
  return flags.length === 0 ? 'healthy' : flags.join('');
}

function* clustersJson(entries: readonly Entry[]): Generator<string> {
  let before = '{\n "cluster_statuses": [\n';
  for (const entry of entries) {
    yield `${before}  ${JSON.stringify(clusterJson(entry), null, 1).replaceAll('\n', '\n  ')}`;
    before = ',\n';
  }
  yield before === ',\n' ? '\n ]\n}\n' : '{}\n';
}

function clusterJson({ active, dynamic }: Entry): JsonObject {
  const { cluster, name } = active;
  const json: JsonObject = { name };
  if (dynamic) json.added_via_api = true;
  const { outliers } = cluster;
  if (outliers) {
    const { external, local } = outliers.thresholds;
    if (external.threshold >= 0) json.success_rate_ejection_threshold = { value: external.threshold };
    if (local.threshold >= 0) json.local_origin_success_rate_ejection_threshold = { value: local.threshold };
  }
  const hosts = [...cluster.hosts].map((host) => hostJson(host, outliers?.monitorOf(host)));
  if (hosts.length > 0) json.host_statuses = hosts;
  json.circuit_breakers = {
    thresholds: priorities(active).map(([priority, resources]) => ({
      ...(priority === 'high' && { priority: 'HIGH' }),
      ...Object.fromEntries(thresholds(resources)),
    })),
  };
  json.observability_name = cluster.statName;
  const serviceName = cluster.config.eds?.serviceName;
  if (serviceName) json.eds_service_name = serviceName;
  return json;
}

function hostJson(host: Host, monitor: HostMonitor | undefined): JsonObject {
  const { address, hostname, weight, locality, priority } = host.description;
  const health: JsonObject = {};
  for (const [flag, , key] of FLAGS) if (key !== '' && host.health & flag) health[key] = true;
  health.eds_health_status = edsHealth(host);
  return {
    address: addressJson(address),
    stats: [
      ...COUNTERS.map((n) => statJson(host.stats, n, false)),
      ...GAUGES.map((n) => statJson(host.stats, n, true)),
    ],
    health_status: health,
    ...rateJson('success_rate', monitor?.external.shown),
    weight,
    ...(hostname && { hostname }),
    ...(priority > 0 && { priority }),
    ...rateJson('local_origin_success_rate', monitor?.local.shown),
    locality: localityJson(locality),
  };
}

/** A Percent, which is left out where there is nothing to tell. */
function rateJson(name: string, percent = -1): JsonObject {
  return percent < 0 ? {} : { [name]: { value: percent } };
}

function edsHealth({ health }: Host): string {
  if (health & HealthFlag.EdsDraining) return 'DRAINING';
  if (health & HealthFlag.FailedEdsHealth) return 'UNHEALTHY';
  return health & HealthFlag.DegradedEdsHealth ? 'DEGRADED' : 'HEALTHY';
}

/** A SimpleMetric: what is the default is left out. */
function statJson(stats: HostStats, name: keyof HostStats, gauge: boolean): Json {
  const value = stats[name];
  return { ...(gauge && { type: 'GAUGE' }), ...(value !== 0 && { value: String(value) }), name };
}
