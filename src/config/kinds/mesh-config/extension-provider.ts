import {
  array,
  boolean,
  duration,
  enumOf,
  type Infer,
  int32,
  int64,
  map,
  object,
  string,
  struct,
  uint32,
} from '../../schema/index.ts';
import { traceContext } from './proxy-schema.ts';

const service = string();
const port = uint32();

const requestBody = object({ maxRequestBytes: uint32(), allowPartialMessage: boolean(), packAsBytes: boolean() });

const extAuthzHttp = object({
  service,
  port,
  timeout: duration(),
  pathPrefix: string(),
  failOpen: boolean(),
  clearRouteCache: boolean(),
  statusOnError: string(),
  includeHeadersInCheck: array(string()),
  includeRequestHeadersInCheck: array(string()),
  includeAdditionalHeadersInCheck: map(string()),
  includeRequestBodyInCheck: requestBody,
  headersToUpstreamOnAllow: array(string()),
  headersToDownstreamOnDeny: array(string()),
  headersToDownstreamOnAllow: array(string()),
});
export type ExtAuthzHttpProvider = Infer<typeof extAuthzHttp>;

const extAuthzGrpc = object({
  service,
  port,
  timeout: duration(),
  failOpen: boolean(),
  clearRouteCache: boolean(),
  statusOnError: string(),
  includeRequestBodyInCheck: requestBody,
});
export type ExtAuthzGrpcProvider = Infer<typeof extAuthzGrpc>;

const httpHeader = object({ name: string(), value: string(), envName: string() }, { oneOf: [['value', 'envName']] });
const httpService = object({ path: string(), timeout: duration(), headers: array(httpHeader) });

const zipkin = object({
  service,
  port,
  maxTagLength: uint32(),
  enable64bitTraceId: boolean(),
  path: string(),
  traceContextOption: enumOf('USE_B3', 'USE_B3_WITH_W3C_PROPAGATION'),
  timeout: duration(),
  headers: array(httpHeader),
});
export type ZipkinProvider = Infer<typeof zipkin>;

const opentelemetry = object({
  service,
  port,
  maxTagLength: uint32(),
  http: httpService,
  grpc: object({ timeout: duration(), initialMetadata: array(httpHeader) }),
  resourceDetectors: object({ environment: object({}), dynatrace: object({}) }),
  serviceAttributeEnrichment: enumOf('ISTIO_CANONICAL', 'OTEL_SEMANTIC_CONVENTIONS'),
  dynatraceSampler: object({
    tenant: string(),
    clusterId: int32(),
    rootSpansPerMinute: uint32(),
    httpService: object({ service, port, http: httpService }),
  }),
});
export type OpenTelemetryProvider = Infer<typeof opentelemetry>;

const httpAls = object({
  service,
  port,
  logName: string(),
  filterStateObjectsToLog: array(string()),
  additionalRequestHeadersToLog: array(string()),
  additionalResponseHeadersToLog: array(string()),
  additionalResponseTrailersToLog: array(string()),
});

const fields = {
  envoyExtAuthzHttp: extAuthzHttp,
  envoyExtAuthzGrpc: extAuthzGrpc,
  zipkin,
  lightstep: object({ service, port, accessToken: string(), maxTagLength: uint32() }),
  datadog: object({ service, port, maxTagLength: uint32() }),
  stackdriver: object({
    debug: boolean(),
    maxNumberOfAttributes: int64(),
    maxNumberOfAnnotations: int64(),
    maxNumberOfMessageEvents: int64(),
    maxTagLength: uint32(),
    logging: object({ labels: map(string()) }),
  }),
  opencensus: object({ service, port, context: array(traceContext), maxTagLength: uint32() }),
  skywalking: object({ service, port, accessToken: string() }),
  opentelemetry,
  prometheus: object({}),
  envoyFileAccessLog: object({
    path: string(),
    logFormat: object({ text: string(), labels: struct() }, { oneOf: [['text', 'labels']] }),
    omitEmptyValues: boolean(),
  }),
  envoyHttpAls: httpAls,
  envoyTcpAls: object({ service, port, logName: string(), filterStateObjectsToLog: array(string()) }),
  envoyOtelAls: object({
    service,
    port,
    logName: string(),
    logFormat: object({ text: string(), labels: struct() }),
  }),
  sds: object({ name: string(), service, port }),
} as const;

export const EXTENSION_PROVIDER_TYPES = Object.keys(fields) as (keyof typeof fields)[];

/** A named service that the mesh's policies and telemetry can refer to: exactly one of the types is set. */
export const extensionProvider = object({ name: string(), ...fields }, { oneOf: [EXTENSION_PROVIDER_TYPES] });
export type ExtensionProvider = Infer<typeof extensionProvider>;
