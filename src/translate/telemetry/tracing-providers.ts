import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { HeaderValueOptionSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { HeaderValueOption_HeaderAppendAction as Append } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { TypedExtensionConfigSchema } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import { HttpServiceSchema } from '../../api/gen/envoy/config/core/v3/http_service_pb.ts';
import { DatadogConfigSchema } from '../../api/gen/envoy/config/trace/v3/datadog_pb.ts';
import { type Tracing_Http, Tracing_HttpSchema } from '../../api/gen/envoy/config/trace/v3/http_tracer_pb.ts';
import { OpenTelemetryConfigSchema } from '../../api/gen/envoy/config/trace/v3/opentelemetry_pb.ts';
import { SkyWalkingConfigSchema } from '../../api/gen/envoy/config/trace/v3/skywalking_pb.ts';
import {
  ZipkinConfig_CollectorEndpointVersion,
  ZipkinConfigSchema,
} from '../../api/gen/envoy/config/trace/v3/zipkin_pb.ts';
import { DynatraceResourceDetectorConfigSchema } from '../../api/gen/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/dynatrace_resource_detector_pb.ts';
import { EnvironmentResourceDetectorConfigSchema } from '../../api/gen/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector_pb.ts';
import { DynatraceSamplerConfigSchema } from '../../api/gen/envoy/extensions/tracers/opentelemetry/samplers/v3/dynatrace_sampler_pb.ts';
import type { ExtensionProvider } from '../../config/kinds/mesh-config/schema.ts';
import type { Registry } from '../../registry/registry.ts';
import { type ProviderCluster, providerCluster } from '../extension-providers.ts';
import type { ProxyNode } from '../node.ts';
import { extension, filter } from '../proto/any.ts';
import { duration, optionalDuration } from '../proto/values.ts';
import { messageField } from '../proto/wire.ts';

/** A tracer as Envoy is told about it. */
export interface Tracer {
  readonly provider: Tracing_Http;
  readonly maxTagLength: number;
  /** It decides itself what is sampled, and so must see everything. */
  readonly samples: boolean;
  readonly spawnUpstreamSpan: boolean;
}

type OpenTelemetry = NonNullable<ExtensionProvider['opentelemetry']>;
type HttpService = NonNullable<OpenTelemetry['http']>;
type HttpHeader = NonNullable<HttpService['headers']>[number];

/** The tracer of a provider; undefined if it is not for traces, or its service is not there. */
export function tracerOf(registry: Registry, provider: ExtensionProvider, node: ProxyNode): Tracer | undefined {
  const { datadog, opentelemetry, skywalking, zipkin } = provider;
  const described = zipkin ?? datadog ?? skywalking ?? opentelemetry;
  const to = described && providerCluster(registry, described.service, described.port);
  if (to === undefined) return undefined;
  const tracer = (http: Tracing_Http, maxTagLength: number | undefined, more: Partial<Tracer> = {}): Tracer => ({
    provider: http,
    maxTagLength: maxTagLength ?? 0,
    samples: false,
    spawnUpstreamSpan: false,
    ...more,
  });
  if (zipkin !== undefined) return tracer(zipkinTracer(zipkin, to), zipkin.maxTagLength);
  if (datadog !== undefined) {
    const config = { collectorCluster: to.cluster, collectorHostname: to.hostname, serviceName: node.cluster };
    return tracer(named('envoy.tracers.datadog', DatadogConfigSchema, config), datadog.maxTagLength);
  }
  if (skywalking !== undefined) {
    const config = { grpcService: grpcService(to) };
    return tracer(named('envoy.tracers.skywalking', SkyWalkingConfigSchema, config), 0, { spawnUpstreamSpan: true });
  }
  const http = openTelemetryTracer(registry, opentelemetry!, to, serviceName(opentelemetry!, node));
  return http && tracer(http, opentelemetry!.maxTagLength, { samples: opentelemetry!.dynatraceSampler !== undefined });
}

/** What the service of spans is called. */
function serviceName({ serviceAttributeEnrichment }: OpenTelemetry, node: ProxyNode): string {
  return serviceAttributeEnrichment === 'OTEL_SEMANTIC_CONVENTIONS' ? node.telemetryService : node.cluster;
}

function named(...config: Parameters<typeof filter>): Tracing_Http {
  return create(Tracing_HttpSchema, filter(...config));
}

function grpcService({ cluster, hostname }: ProviderCluster) {
  return { targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: cluster, authority: hostname } } };
}

/** Fields of Envoy's ZipkinConfig that are newer than the API that we are built with. */
const TRACE_CONTEXT_OPTION_FIELD = 8;
const COLLECTOR_SERVICE_FIELD = 9;

const ZIPKIN_PATH = '/api/v2/spans';
/** Milliseconds. */
const ZIPKIN_TIMEOUT = 5000;

/** What the collector's service says, the fields of old say as well, for proxies that know no others. */
function zipkinTracer(zipkin: NonNullable<ExtensionProvider['zipkin']>, to: ProviderCluster): Tracing_Http {
  const path = zipkin.path || ZIPKIN_PATH;
  const config = create(ZipkinConfigSchema, {
    collectorCluster: to.cluster,
    collectorEndpoint: path,
    collectorEndpointVersion: ZipkinConfig_CollectorEndpointVersion.HTTP_JSON,
    collectorHostname: to.hostname,
    traceId128bit: zipkin.enable64bitTraceId !== true,
    sharedSpanContext: false,
  });
  const service = create(HttpServiceSchema, {
    httpUri: {
      uri: `http://${to.hostname}${path}`,
      httpUpstreamType: { case: 'cluster', value: to.cluster },
      timeout: duration(zipkin.timeout ?? ZIPKIN_TIMEOUT),
    },
    requestHeadersToAdd: (zipkin.headers ?? []).map(headerOption),
  });
  config.$unknown = [messageField(COLLECTOR_SERVICE_FIELD, toBinary(HttpServiceSchema, service))];
  if (zipkin.traceContextOption === 'USE_B3_WITH_W3C_PROPAGATION') {
    config.$unknown.unshift({ no: TRACE_CONTEXT_OPTION_FIELD, wireType: 0, data: Uint8Array.of(1) });
  }
  return named('envoy.tracers.zipkin', ZipkinConfigSchema, config);
}

function openTelemetryTracer(
  registry: Registry,
  provider: OpenTelemetry,
  to: ProviderCluster,
  serviceName: string,
): Tracing_Http | undefined {
  const { http, grpc, dynatraceSampler } = provider;
  const sampler = dynatraceSampler && dynatrace(registry, dynatraceSampler, http, to);
  if (dynatraceSampler !== undefined && sampler === undefined) return undefined;
  const metadata = grpc?.initialMetadata?.map((header) => ({ key: header.name ?? '', value: header.value ?? '' }));
  const timeout = optionalDuration(grpc?.timeout);
  return named('envoy.tracers.opentelemetry', OpenTelemetryConfigSchema, {
    serviceName,
    ...(http === undefined
      ? {
          grpcService: { ...grpcService(to), ...(timeout ? { timeout } : {}), initialMetadata: metadata ?? [] },
        }
      : { httpService: httpService(http, to) }),
    resourceDetectors: detectors(provider),
    ...(sampler === undefined ? {} : { sampler }),
  });
}

/** By the conventions of OpenTelemetry, what the proxy's environment says of its resource goes with the spans. */
function detectors({
  resourceDetectors: wanted,
  serviceAttributeEnrichment,
}: OpenTelemetry): (MessageInitShape<typeof TypedExtensionConfigSchema> & object)[] {
  const prefix = 'envoy.tracers.opentelemetry.resource_detectors';
  return [
    ...(wanted?.environment || serviceAttributeEnrichment === 'OTEL_SEMANTIC_CONVENTIONS'
      ? [extension(`${prefix}.environment`, EnvironmentResourceDetectorConfigSchema, {})]
      : []),
    ...(wanted?.dynatrace ? [extension(`${prefix}.dynatrace`, DynatraceResourceDetectorConfigSchema, {})] : []),
  ];
}

function httpService(
  { path = '', timeout, headers = [] }: HttpService,
  { cluster, hostname }: ProviderCluster,
): MessageInitShape<typeof HttpServiceSchema> & object {
  const limit = optionalDuration(timeout);
  return {
    httpUri: {
      uri: joinPath(hostname, path),
      httpUpstreamType: { case: 'cluster', value: cluster },
      ...(limit === undefined ? {} : { timeout: limit }),
    },
    requestHeadersToAdd: headers.map(headerOption),
  };
}

/** Values that are to come from the environment of the control plane stay empty: nothing here reads it. */
function headerOption({ name, value }: HttpHeader): MessageInitShape<typeof HeaderValueOptionSchema> {
  return { header: { key: name ?? '', value: value ?? '' }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD };
}

function joinPath(host: string, path: string): string {
  return path === '' ? host : `${host}/${path.replace(/^\/+/, '')}`;
}

const DYNATRACE_SAMPLING_PATH = 'api/v2/samplingConfiguration';

function dynatrace(
  registry: Registry,
  sampler: NonNullable<OpenTelemetry['dynatraceSampler']>,
  exporter: HttpService | undefined,
  to: ProviderCluster,
) {
  const { tenant = '', clusterId = 0, rootSpansPerMinute = 0, httpService: own } = sampler;
  const target = own === undefined ? to : providerCluster(registry, own.service, own.port);
  const service = own === undefined ? exporter && { ...exporter, path: DYNATRACE_SAMPLING_PATH } : own.http;
  if (target === undefined || service === undefined) return undefined;
  return extension('envoy.tracers.opentelemetry.samplers.dynatrace', DynatraceSamplerConfigSchema, {
    tenant,
    clusterId,
    rootSpansPerMinute,
    httpService: httpService(service, target),
  });
}
