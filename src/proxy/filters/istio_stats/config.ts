import { type PluginConfig, Reporter as ReporterProto } from '../../../api/gen/stats/config_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import type { WorkerContext } from '../../context.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { workloadOf } from '../../observe/workload.ts';
import { PeerBucket } from './buckets.ts';
import { CustomMetrics } from './custom-metrics.ts';
import { Expressions } from './expressions.ts';
import { IstioMetrics } from './metrics.ts';
import { Overrides } from './overrides.ts';
import { type Reporter, UNKNOWN } from './peers.ts';
import { PeerResolver } from './resolver.ts';

export const SUPPORTED: Readonly<Record<string, readonly string[]>> = {
  'stats.PluginConfig': [
    'disable_host_header_fallback',
    'tcp_reporting_duration',
    'metrics',
    'definitions',
    'reporter',
  ],
  'stats.MetricConfig': ['dimensions', 'name', 'tags_to_remove', 'drop'],
  'stats.MetricDefinition': ['name', 'value', 'type'],
};

/** A compiled `stats.PluginConfig`. */
export interface IstioStatsConfig {
  readonly reporter: Reporter;
  readonly peers: PeerResolver<PeerBucket>;
  /** How often long-lived streams are counted, in ms; 0 for at their end only. */
  readonly reportMs: number;
  /** What the expressions of the configuration come to for a stream; empty if there are none. */
  values(info: StreamInfo): readonly string[];
  /** Counts a stream that is over in the metrics that the configuration defines. */
  recordCustom(values: readonly string[]): void;
}

const DEFAULT_REPORT_MS = 5000;
const NO_VALUES: readonly string[] = [];
const NO_LABELS: ReadonlySet<string> = new Set();

/** Reads `stats.PluginConfig`, and shows `istio_build`. */
export function istioStatsConfig(
  proto: PluginConfig,
  direction: 'inbound' | 'outbound' | 'unspecified',
  { node, stats }: WorkerContext,
  errors: ConfigErrors,
): IstioStatsConfig {
  const metrics = IstioMetrics.of(stats);
  const version = node.metadata.ISTIO_VERSION;
  const tag = typeof version === 'string' && version !== '' ? version : UNKNOWN;
  metrics.gauge('build', [
    ['component', 'proxy'],
    ['tag', tag],
  ]).value = 1;
  const expressions = new Expressions(node);
  const custom = new CustomMetrics(proto.definitions, expressions, errors.at('definitions'));
  const overrides = new Overrides(proto.metrics, custom.names, expressions, errors.at('metrics'));
  const reporter: Reporter =
    proto.reporter === ReporterProto.SERVER_GATEWAY ? 'waypoint' : direction === 'inbound' ? 'destination' : 'source';
  return {
    reporter,
    peers: new PeerResolver(
      reporter,
      workloadOf(node.metadata, NO_LABELS),
      !proto.disableHostHeaderFallback,
      (peers) => new PeerBucket(metrics, overrides, peers),
    ),
    reportMs: durationMs(proto.tcpReportingDuration, DEFAULT_REPORT_MS),
    values: expressions.size === 0 ? () => NO_VALUES : (info) => expressions.values(info),
    recordCustom: (values) => custom.record(metrics, overrides, values),
  };
}
