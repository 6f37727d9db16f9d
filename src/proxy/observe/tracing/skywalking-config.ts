import type { SkyWalkingConfig } from '../../../api/gen/envoy/config/trace/v3/skywalking_pb.ts';
import type { ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { WorkerContext } from '../../context.ts';
import { ClusterGrpcTransport } from '../../grpc/cluster-transport.ts';
import type { SpanClock } from './open-telemetry.ts';
import { SegmentReporter, SkyWalkingStats } from './segment-reporter.ts';
import { SkyWalkingTracer } from './skywalking.ts';
import type { TracerLease } from './span.ts';

const DEFAULT_CACHE = 1024;
const UNNAMED = 'EnvoyProxy';

/** `envoy.config.trace.v3.SkyWalkingConfig`. Who is not named is called as the bootstrap's node is. */
export function skyWalkingTracer(
  proto: SkyWalkingConfig,
  { timers, node, stats: store }: WorkerContext,
  clusters: ClusterSource,
  clock: SpanClock,
  errors: ConfigErrors,
): TracerLease | undefined {
  const { grpcService, clientConfig } = proto;
  const target = grpcService?.targetSpecifier;
  if (target?.case !== 'envoyGrpc' || target.value.clusterName === '') {
    errors.add('grpc_service.envoy_grpc.cluster_name', 'is needed');
    return undefined;
  }
  const { clusterName, authority } = target.value;
  const token = clientConfig?.backendTokenSpecifier.value ?? '';
  const stats = store.acquire('tracing.skywalking.', SkyWalkingStats);
  const reporter = new SegmentReporter({
    transport: new ClusterGrpcTransport(clusters, clusterName, {
      authority: authority || clusterName,
      metadata: grpcService!.initialMetadata.map(({ key, value }) => [key.toLowerCase(), value] as const),
    }),
    metadata: token === '' ? [] : [['authentication', token]],
    maxCached: clientConfig?.maxCacheSize ?? DEFAULT_CACHE,
    timers,
    stats: stats.group,
  });
  const options = {
    serviceName: clientConfig?.serviceName || node.cluster || UNNAMED,
    instanceName: clientConfig?.instanceName || node.id || UNNAMED,
  };
  return {
    tracer: new SkyWalkingTracer(options, (segment) => reporter.report(segment), clock),
    release() {
      reporter.close();
      stats.release();
    },
  };
}
