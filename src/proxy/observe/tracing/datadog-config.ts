import { randomUUID } from 'node:crypto';
import type { DatadogConfig } from '../../../api/gen/envoy/config/trace/v3/datadog_pb.ts';
import { encodeTraces } from '../../../telemetry/datadog/encode.ts';
import type { ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { WorkerContext } from '../../context.ts';
import { VERSION } from '../../version.ts';
import { StatGroup } from '../stats.ts';
import { httpExport } from './collector.ts';
import { DatadogTracer } from './datadog.ts';
import { Sampler } from './datadog-propagation.ts';
import { MAX_PENDING_EXPORTS, SpanBuffer } from './exporter.ts';
import type { SpanClock } from './open-telemetry.ts';
import type { TracerLease } from './span.ts';

/** Envoy's `tracing.datadog.`. */
export class DatadogStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  reports_dropped = 0;
  reports_failed = 0;
  reports_sent = 0;
  reports_skipped_no_cluster = 0;
}

const DEFAULT_SERVICE = 'envoy';
const INTERVAL_MS = 2000;
const TIMEOUT_MS = 2000;
/** Traces that wait for the interval to be over: with more than these a report leaves before. */
const MAX_TRACES = 1000;
const OK = 200;

/** `envoy.config.trace.v3.DatadogConfig`. */
export function datadogTracer(
  proto: DatadogConfig,
  { timers, random, node, stats: store }: WorkerContext,
  clusters: ClusterSource,
  clock: SpanClock,
  errors: ConfigErrors,
): TracerLease | undefined {
  const { collectorCluster: cluster, collectorHostname } = proto;
  if (cluster === '') {
    errors.add('collector_cluster', 'is needed');
    return undefined;
  }
  const serviceName = proto.serviceName || DEFAULT_SERVICE;
  const stats = store.acquire('tracing.datadog.', DatadogStats);
  const { group } = stats;
  const sampler = new Sampler(serviceName);
  const headers = [
    ['datadog-meta-lang', 'nodejs'],
    ['datadog-meta-lang-version', process.versions.node],
    ['datadog-meta-tracer-version', VERSION],
  ] as const;
  const target = { cluster, host: collectorHostname || cluster, path: '/v0.4/traces', timeoutMs: TIMEOUT_MS };
  const context = { clusters, timers, random, localAddress: node.localAddress };
  const buffer = new SpanBuffer({
    timers,
    minFlush: MAX_TRACES,
    intervalMs: INTERVAL_MS,
    maxPending: MAX_PENDING_EXPORTS,
    send(traces, done) {
      const counted = [...headers, ['x-datadog-trace-count', String(traces.length)] as const];
      httpExport(
        { ...target, headers: counted },
        'application/msgpack',
        context,
      )(encodeTraces(traces), (result) => {
        if (result.kind === 'no cluster') group.reports_skipped_no_cluster++;
        else if (result.kind === 'failed') group.reports_failed++;
        else if (result.status === OK) {
          group.reports_sent++;
          sampler.answered(Buffer.from(result.body).toString());
        } else group.reports_dropped++;
        done();
      });
    },
    onDropped: () => group.reports_dropped++,
    onTimer() {},
  });
  const identity = { id: process.pid, runtimeId: randomUUID(), version: `isthmus ${VERSION}` };
  const tracer = new DatadogTracer({ serviceName, process: identity }, buffer, clock, sampler);
  return {
    tracer,
    release() {
      buffer.close();
      stats.release();
    },
  };
}
