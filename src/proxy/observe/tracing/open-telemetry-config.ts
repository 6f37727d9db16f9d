import { fromBinary } from '@bufbuild/protobuf';
import type { TypedExtensionConfig } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { OpenTelemetryConfig } from '../../../api/gen/envoy/config/trace/v3/opentelemetry_pb.ts';
import { EnvironmentResourceDetectorConfigSchema } from '../../../api/gen/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector_pb.ts';
import { StaticConfigResourceDetectorConfigSchema } from '../../../api/gen/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector_pb.ts';
import { AlwaysOnSamplerConfigSchema } from '../../../api/gen/envoy/extensions/tracers/opentelemetry/samplers/v3/always_on_sampler_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import type { Attributes } from '../../../telemetry/otlp/encode.ts';
import type { ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import type { WorkerContext } from '../../context.ts';
import { ClusterGrpcTransport } from '../../grpc/cluster-transport.ts';
import { VERSION } from '../../version.ts';
import { type Export, grpcExport, httpExport, httpTarget } from './collector.ts';

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const DEFAULT_TIMEOUT_MS = 5000;
const UNNAMED_SERVICE = 'unknown_service:envoy';

/** Where the spans of OpenTelemetry go, and whose they are. */
export interface OpenTelemetryTarget {
  readonly export: Export;
  readonly resource: Attributes;
  /** Every request is recorded that nobody upstream has decided on. */
  readonly alwaysOn: boolean;
}

/** `envoy.config.trace.v3.OpenTelemetryConfig`. */
export function openTelemetryTarget(
  proto: OpenTelemetryConfig,
  worker: WorkerContext,
  clusters: ClusterSource,
  errors: ConfigErrors,
): OpenTelemetryTarget | undefined {
  const send = exportOf(proto, worker, clusters, errors);
  const resource = new Map([
    ['service.name', proto.serviceName || UNNAMED_SERVICE],
    ['telemetry.sdk.language', 'nodejs'],
    ['telemetry.sdk.name', 'isthmus'],
    ['telemetry.sdk.version', VERSION],
  ]);
  proto.resourceDetectors.forEach((detector, i) => {
    const found = detected(detector, errors.at('resource_detectors').at(i));
    for (const [name, value] of found) resource.set(name, value);
  });
  const alwaysOn = isAlwaysOn(proto.sampler, errors.at('sampler'));
  return send && { export: send, resource: [...resource], alwaysOn };
}

function exportOf(
  proto: OpenTelemetryConfig,
  worker: WorkerContext,
  clusters: ClusterSource,
  errors: ConfigErrors,
): Export | undefined {
  const { grpcService, httpService } = proto;
  if ((grpcService === undefined) === (httpService === undefined)) {
    errors.add('', 'either grpc_service or http_service is needed');
    return undefined;
  }
  if (httpService !== undefined) {
    const target = httpTarget(httpService, errors.at('http_service'));
    const { timers, random, node } = worker;
    const context = { clusters, timers, random, localAddress: node.localAddress };
    const named = target && {
      ...target,
      headers: [['user-agent', `OTel-OTLP-Exporter-Isthmus/${VERSION}`] as const, ...target.headers],
    };
    return named && httpExport(named, 'application/x-protobuf', context);
  }
  const target = grpcService!.targetSpecifier;
  if (target.case !== 'envoyGrpc' || target.value.clusterName === '') {
    errors.add('grpc_service.envoy_grpc.cluster_name', 'is needed');
    return undefined;
  }
  const { clusterName, authority } = target.value;
  const timeoutMs = durationMs(grpcService!.timeout, DEFAULT_TIMEOUT_MS);
  const transport = new ClusterGrpcTransport(clusters, clusterName, {
    authority: authority || clusterName,
    timeoutMs,
    metadata: grpcService!.initialMetadata.map(({ key, value }) => [key.toLowerCase(), value] as const),
  });
  return grpcExport(transport, EXPORT, worker.timers, timeoutMs);
}

function detected({ name, typedConfig }: TypedExtensionConfig, errors: ConfigErrors): Attributes {
  switch (typeNameOf(typedConfig?.typeUrl ?? '')) {
    case EnvironmentResourceDetectorConfigSchema.typeName:
      return fromEnvironment(process.env.OTEL_RESOURCE_ATTRIBUTES ?? '');
    case StaticConfigResourceDetectorConfigSchema.typeName:
      return Object.entries(fromBinary(StaticConfigResourceDetectorConfigSchema, typedConfig!.value).attributes);
    default:
      errors.add('typed_config', `${typedConfig?.typeUrl || name} is not supported`);
      return [];
  }
}

/** `name=value,name=value` (OpenTelemetry's environment variable specification). */
export function fromEnvironment(text: string): Attributes {
  return text.split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at <= 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const];
  });
}

function isAlwaysOn(sampler: TypedExtensionConfig | undefined, errors: ConfigErrors): boolean {
  if (sampler === undefined) return false;
  const type = typeNameOf(sampler.typedConfig?.typeUrl ?? '');
  if (type === AlwaysOnSamplerConfigSchema.typeName) return true;
  errors.add('typed_config', `${type || sampler.name} is not supported`);
  return false;
}
