import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Address } from '../../../api/gen/envoy/config/core/v3/address_pb.ts';
import type { Node } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import { ApiVersion } from '../../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import type { GrpcService } from '../../../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import {
  HistogramEmitMode,
  type MetricsServiceConfig,
  MetricsServiceConfigSchema,
} from '../../../api/gen/envoy/config/metrics/v3/metrics_service_pb.ts';
import {
  DogStatsdSinkSchema,
  type StatsdSink,
  StatsdSinkSchema,
  type StatsSink as StatsSinkProto,
} from '../../../api/gen/envoy/config/metrics/v3/stats_pb.ts';
import { GraphiteStatsdSinkSchema } from '../../../api/gen/envoy/extensions/stat_sinks/graphite_statsd/v3/graphite_statsd_pb.ts';
import {
  type SinkConfig,
  SinkConfigSchema,
} from '../../../api/gen/envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import type { ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported } from '../../config/supported.ts';
import type { WorkerContext } from '../../context.ts';
import { ClusterGrpcTransport } from '../../grpc/cluster-transport.ts';
import { socketAddress } from '../../net/socket-address.ts';
import { MetricsServiceSink } from './metrics-service.ts';
import { OpenTelemetrySink } from './open-telemetry.ts';
import type { StatsSink } from './sink.ts';
import { StatsdStats, TcpStatsdSink, UdpStatsdSink } from './statsd.ts';
import { DOG_TAGS, GRAPHITE_TAGS, statsdFormat, type TagFormat } from './statsd-format.ts';
import { SINKS as SUPPORTED } from './supported.ts';

export interface StatsSinkContext {
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  /** Names of the clusters of the bootstrap: sinks go through no others. */
  readonly staticClusters: ReadonlySet<string>;
  readonly node: () => Node;
}

/** Reads `stats_sinks` of a bootstrap. Nothing is opened before something is sent. */
export function buildStatsSinks(
  protos: readonly StatsSinkProto[],
  context: StatsSinkContext,
  errors: ConfigErrors,
): StatsSink[] {
  return protos.flatMap((proto, i) => buildSink(proto, context, errors.at(i)) ?? []);
}

function buildSink(
  { name, configType }: StatsSinkProto,
  context: StatsSinkContext,
  errors: ConfigErrors,
): StatsSink | undefined {
  const { typeUrl = '', value = new Uint8Array(0) } = configType.value ?? {};
  const at = errors.at('typed_config');
  const read = <Schema extends DescMessage>(schema: Schema): MessageShape<Schema> => {
    const message = fromBinary(schema, value);
    checkSupported(schema, message, SUPPORTED, at);
    return message;
  };
  switch (typeNameOf(typeUrl)) {
    case StatsdSinkSchema.typeName:
      return statsd(read(StatsdSinkSchema), context, at);
    case DogStatsdSinkSchema.typeName: {
      const { dogStatsdSpecifier, prefix, maxBytesPerDatagram } = read(DogStatsdSinkSchema);
      return udp(dogStatsdSpecifier.value, context, at, { prefix, tags: DOG_TAGS, maxBytes: maxBytesPerDatagram });
    }
    case GraphiteStatsdSinkSchema.typeName: {
      const { statsdSpecifier, prefix, maxBytesPerDatagram } = read(GraphiteStatsdSinkSchema);
      return udp(statsdSpecifier.value, context, at, { prefix, tags: GRAPHITE_TAGS, maxBytes: maxBytesPerDatagram });
    }
    case MetricsServiceConfigSchema.typeName:
      return metricsService(read(MetricsServiceConfigSchema), context, at);
    case SinkConfigSchema.typeName:
      return openTelemetry(read(SinkConfigSchema), context, at);
    default:
      errors.add('typed_config', `${typeUrl || name} is not supported`);
      return undefined;
  }
}

function statsd({ statsdSpecifier, prefix }: StatsdSink, context: StatsSinkContext, errors: ConfigErrors) {
  if (statsdSpecifier.case !== 'tcpClusterName') return udp(statsdSpecifier.value, context, errors, { prefix });
  const { worker, clusters } = context;
  const { value: cluster } = statsdSpecifier;
  if (worker.node.id === '' || worker.node.cluster === '') {
    errors.add('tcp_cluster_name', 'needs a node with id and cluster, in the bootstrap or by flags');
  }
  checkCluster(cluster, context, errors.at('tcp_cluster_name'));
  const stats = worker.stats.acquire('statsd.', StatsdStats).group;
  return new TcpStatsdSink(clusters, cluster, statsdFormat(prefix), stats);
}

function udp(
  address: Address | undefined,
  { worker }: StatsSinkContext,
  errors: ConfigErrors,
  options: { readonly prefix: string; readonly tags?: TagFormat; readonly maxBytes?: bigint | undefined },
): StatsSink | undefined {
  // That one is needed is a rule of the API, which was told.
  const at = address && socketAddress(address, errors);
  if (at === undefined) return undefined;
  const format = statsdFormat(options.prefix, options.tags);
  return new UdpStatsdSink(worker.addresses.connect(at), format, Number(options.maxBytes ?? 0n));
}

function metricsService(proto: MetricsServiceConfig, context: StatsSinkContext, errors: ConfigErrors) {
  if (proto.transportApiVersion !== ApiVersion.V3) errors.add('transport_api_version', 'must be V3');
  const transport = grpcTransport(proto.grpcService, context, errors.at('grpc_service'));
  if (transport === undefined) return undefined;
  return new MetricsServiceSink({
    transport,
    node: context.node,
    deltas: proto.reportCountersAsDeltas ?? false,
    labels: proto.emitTagsAsLabels,
    summaries: proto.histogramEmitMode !== HistogramEmitMode.HISTOGRAM,
    histograms: proto.histogramEmitMode !== HistogramEmitMode.SUMMARY,
    batchSize: proto.batchSize,
  });
}

function openTelemetry(proto: SinkConfig, context: StatsSinkContext, errors: ConfigErrors) {
  const transport = grpcTransport(proto.protocolSpecifier.value, context, errors.at('grpc_service'));
  if (transport === undefined) return undefined;
  return new OpenTelemetrySink({
    transport,
    prefix: proto.prefix === '' ? '' : `${proto.prefix}.`,
    countersAsDeltas: proto.reportCountersAsDeltas,
    histogramsAsDeltas: proto.reportHistogramsAsDeltas,
    tagsAsAttributes: proto.emitTagsAsAttributes ?? true,
    extractedNames: proto.useTagExtractedName ?? true,
  });
}

function grpcTransport(service: GrpcService | undefined, context: StatsSinkContext, errors: ConfigErrors) {
  const target = service?.targetSpecifier;
  if (service === undefined || target?.case !== 'envoyGrpc') {
    errors.add('envoy_grpc', 'is needed');
    return undefined;
  }
  const { clusterName, authority } = target.value;
  checkCluster(clusterName, context, errors.at('envoy_grpc').at('cluster_name'));
  return new ClusterGrpcTransport(context.clusters, clusterName, {
    authority: authority || clusterName,
    metadata: service.initialMetadata.map(({ key, value }) => [key.toLowerCase(), value] as const),
  });
}

function checkCluster(name: string, { staticClusters }: StatsSinkContext, errors: ConfigErrors): void {
  if (!staticClusters.has(name)) errors.add('', `there is no cluster ${JSON.stringify(name)} in static_resources`);
}
