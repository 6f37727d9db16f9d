import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type MetricConfigSchema, PluginConfigSchema } from '../../api/gen/stats/config_pb.ts';
import type { Metrics, MetricsOverride } from '../../config/kinds/telemetry/schema.ts';
import { providerNamed } from '../extension-providers.ts';
import { Memo } from '../memo.ts';
import type { Mesh } from '../mesh.ts';
import { pack } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';
import { providerNames, type Side, telemetryOf } from './applicable.ts';

export const STATS_FILTER = 'istio.stats';

/** Istio's metrics, and what Prometheus calls them. */
const PROMETHEUS_NAMES: Readonly<Record<string, string>> = {
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
};
const ALL_METRICS = Object.keys(PROMETHEUS_NAMES);

const known = new Memo<readonly Any[]>();

/** Configurations of the filters that count requests and connections on one side: one for each provider that is Prometheus. */
export function statsFilters(proxy: ProxyView, listenerClass: ListenerClass): readonly Any[] {
  const telemetry = telemetryOf(proxy);
  const { mesh } = proxy;
  return known.get([telemetry, mesh], listenerClass, () => {
    const side: Side = listenerClass === 'inbound' ? 'SERVER' : 'CLIENT';
    return [...mergeMetrics(telemetry.metrics, mesh, side)]
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .filter(([name, { disabled }]) => !disabled && providerNamed(mesh, name)?.prometheus !== undefined)
      .map(([, metrics]) => pack(PluginConfigSchema, statsConfig(metrics, listenerClass)));
  });
}

interface Override {
  disabled: boolean | undefined;
  /** undefined takes the tag away. */
  readonly tags: Map<string, string | undefined>;
}

interface ProviderMetrics {
  disabled: boolean;
  interval: number | undefined;
  readonly overrides: Map<string, Override>;
}

function statsConfig({ interval, overrides }: ProviderMetrics, listenerClass: ListenerClass) {
  return create(PluginConfigSchema, {
    // What the host header says is only trusted where the proxy stands beside the caller.
    disableHostHeaderFallback: listenerClass !== 'outbound',
    ...(interval === undefined ? {} : { tcpReportingDuration: duration(interval) }),
    metrics: [...overrides]
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([metric, override]): MessageInitShape<typeof MetricConfigSchema> => {
        const tags = [...override.tags].sort(([a], [b]) => (a < b ? -1 : 1));
        return {
          name: PROMETHEUS_NAMES[metric] ?? metric,
          drop: override.disabled === true,
          tagsToRemove: tags.flatMap(([tag, value]) => (value === undefined ? [tag] : [])),
          dimensions: Object.fromEntries(tags.flatMap(([tag, value]) => (value === undefined ? [] : [[tag, value]]))),
        };
      }),
  });
}

/** What is left of each provider when all Telemetry objects are laid over each other. */
function mergeMetrics(all: readonly Metrics[], mesh: Mesh, side: Side): ReadonlyMap<string, ProviderMetrics> {
  const defaults = mesh.defaultProviders.metrics ?? [];
  const result = new Map<string, ProviderMetrics>();
  const provider = (name: string) => {
    let metrics = result.get(name);
    if (metrics === undefined) {
      result.set(name, (metrics = { disabled: false, interval: undefined, overrides: new Map() }));
    }
    return metrics;
  };
  if (all.length === 0) for (const name of defaults) provider(name);
  const inScope = new Set(
    all.findLast(({ providers }) => providers?.length)?.providers?.map((p) => p.name) ?? defaults,
  );
  let inherited: readonly string[] = defaults;
  for (const metrics of all) {
    const names = metrics.providers?.length ? providerNames(metrics.providers) : inherited;
    inherited = names;
    for (const name of names) {
      if (!inScope.has(name)) continue;
      const target = provider(name);
      if (metrics.reportingInterval !== undefined) target.interval = metrics.reportingInterval;
      for (const override of metrics.overrides ?? []) applyOverride(target, override, side);
    }
  }
  return result;
}

function applyOverride(target: ProviderMetrics, override: MetricsOverride, side: Side): void {
  const { match } = override;
  const mode = match?.mode;
  if ((mode === 'CLIENT' || mode === 'SERVER') && mode !== side) return;
  const everything =
    match?.customMetric === undefined && (match?.metric === undefined || match.metric === 'ALL_METRICS');
  if (everything && override.disabled === true) {
    target.disabled = true;
    return;
  }
  target.disabled = false;
  const metrics =
    match?.customMetric !== undefined ? [match.customMetric] : everything ? ALL_METRICS : [match!.metric!];
  for (const metric of metrics) {
    let existing = target.overrides.get(metric);
    if (existing === undefined) target.overrides.set(metric, (existing = { disabled: undefined, tags: new Map() }));
    if (override.disabled !== undefined) existing.disabled = override.disabled;
    for (const [tag, { operation, value }] of Object.entries(override.tagOverrides ?? {})) {
      existing.tags.set(tag, operation === 'REMOVE' ? undefined : (value ?? ''));
    }
  }
}
