import { type PluginConfig, Reporter as ReporterProto } from '../../../api/gen/stats/config_pb.ts';
import { durationMs } from '../../config/values.ts';
import type { WorkerContext } from '../../context.ts';
import { workloadOf } from '../../observe/workload.ts';
import { PeerBucket } from './buckets.ts';
import { IstioMetrics } from './metrics.ts';
import { Overrides } from './overrides.ts';
import { type Reporter, UNKNOWN } from './peers.ts';
import { PeerResolver } from './resolver.ts';

export const SUPPORTED: Readonly<Record<string, readonly string[]>> = {
  'stats.PluginConfig': ['disable_host_header_fallback', 'tcp_reporting_duration', 'metrics', 'reporter'],
  'stats.MetricConfig': ['name', 'tags_to_remove', 'drop'],
};

/** A compiled `stats.PluginConfig`. */
export interface IstioStatsConfig {
  readonly reporter: Reporter;
  readonly peers: PeerResolver<PeerBucket>;
  /** How often long-lived streams are counted, in ms; 0 for at their end only. */
  readonly reportMs: number;
}

const DEFAULT_REPORT_MS = 5000;
const NO_LABELS: ReadonlySet<string> = new Set();

export function istioStatsConfig(
  proto: PluginConfig,
  direction: 'inbound' | 'outbound' | 'unspecified',
  { node, stats }: WorkerContext,
): IstioStatsConfig {
  const metrics = IstioMetrics.of(stats);
  const version = node.metadata.ISTIO_VERSION;
  const tag = typeof version === 'string' && version !== '' ? version : UNKNOWN;
  metrics.gauge('build', [
    ['component', 'proxy'],
    ['tag', tag],
  ]).value = 1;
  const overrides = new Overrides(proto.metrics, [], () => undefined);
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
  };
}
