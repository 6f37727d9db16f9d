import {
  array,
  boolean,
  double,
  duration,
  enumOf,
  type Infer,
  int32,
  int64,
  map,
  object,
  string,
  uint32,
} from '../../schema/index.ts';
import { proxyImage } from '../proxy-config/schema.ts';
import { disabledSwitch, enabledSwitch } from '../shared/selector.ts';
import { clientTls } from '../shared/tls.ts';
import { tcpKeepalive } from '../shared/traffic-policy.ts';
import { readinessProbe } from '../shared/workload.ts';

const customTag = object(
  {
    literal: object({ value: string() }),
    environment: object({ name: string(), defaultValue: string() }),
    header: object({ name: string(), defaultValue: string() }),
  },
  { oneOf: [['literal', 'environment', 'header']] },
);

export const traceContext = enumOf('UNSPECIFIED', 'W3C_TRACE_CONTEXT', 'GRPC_BIN', 'CLOUD_TRACE_CONTEXT', 'B3');

const tracing = object(
  {
    zipkin: object({ address: string() }),
    lightstep: object({ address: string(), accessToken: string() }),
    datadog: object({ address: string() }),
    stackdriver: object({
      debug: boolean(),
      maxNumberOfAttributes: int64(),
      maxNumberOfAnnotations: int64(),
      maxNumberOfMessageEvents: int64(),
    }),
    openCensusAgent: object({ address: string(), context: array(traceContext) }),
    customTags: map(customTag),
    maxPathTagLength: uint32(),
    sampling: double(),
    tlsSettings: clientTls,
    enableIstioTags: boolean(),
  },
  { oneOf: [['zipkin', 'lightstep', 'datadog', 'stackdriver', 'openCensusAgent']] },
);
export type ProxyTracing = Infer<typeof tracing>;

const forwardClientCertDetails = enumOf(
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
);

const remoteService = object({ address: string(), tlsSettings: clientTls, tcpKeepalive });

const privateKeyProvider = object(
  {
    cryptomb: object({ pollDelay: duration(), fallback: boolean() }),
    qat: object({ pollDelay: duration(), fallback: boolean() }),
  },
  { oneOf: [['cryptomb', 'qat']] },
);

const proxyHeaders = object({
  forwardedClientCert: forwardClientCertDetails,
  setCurrentClientCertDetails: object({
    subject: boolean(),
    cert: boolean(),
    chain: boolean(),
    dns: boolean(),
    uri: boolean(),
  }),
  requestId: disabledSwitch,
  server: object({ disabled: boolean(), value: string() }),
  attemptCount: disabledSwitch,
  envoyDebugHeaders: disabledSwitch,
  metadataExchangeHeaders: object({ mode: enumOf('UNDEFINED', 'IN_MESH') }),
  preserveHttp1HeaderCase: boolean(),
  xForwardedHost: enabledSwitch,
  xForwardedPort: enabledSwitch,
});
export type ProxyHeaders = Infer<typeof proxyHeaders>;

const connectionSettings = object({
  profile: enumOf('SIDECAR', 'EDGE'),
  listenerPerConnectionBufferLimitBytes: int32(),
  clusterPerConnectionBufferLimitBytes: int32(),
  httpIdleTimeout: duration(),
  httpMaxConnectionDuration: duration(),
  httpDrainTimeout: duration(),
  httpRequestTimeout: duration(),
  httpRequestHeadersTimeout: duration(),
  httpStreamIdleTimeout: duration(),
  httpMaxStreamDuration: duration(),
  httpMaxConcurrentStreams: int32(),
  http2InitialStreamWindowSize: int32(),
  http2InitialConnectionWindowSize: int32(),
  httpHeadersWithUnderscoresAction: enumOf(
    'HEADERS_WITH_UNDERSCORES_UNSPECIFIED',
    'HEADERS_WITH_UNDERSCORES_ALLOW',
    'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
    'HEADERS_WITH_UNDERSCORES_DROP_HEADER',
  ),
  httpMergeSlashes: boolean(),
  httpPathWithEscapedSlashesAction: enumOf(
    'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED',
    'KEEP_UNCHANGED',
    'REJECT_REQUEST',
    'UNESCAPE_AND_REDIRECT',
    'UNESCAPE_AND_FORWARD',
  ),
  listenerConnectionLimit: int32(),
  globalDownstreamConnectionLimit: int32(),
});
export type ConnectionSettings = Infer<typeof connectionSettings>;

/**
 * The configuration of one proxy (istio.mesh.v1alpha1.ProxyConfig): `defaultConfig` of the mesh, and the annotation
 * `proxy.istio.io/config` of a pod.
 */
export const meshProxyConfigSchema = object(
  {
    configPath: string(),
    binaryPath: string(),
    serviceCluster: string(),
    tracingServiceName: enumOf('APP_LABEL_AND_NAMESPACE', 'CANONICAL_NAME_ONLY', 'CANONICAL_NAME_AND_NAMESPACE'),
    drainDuration: duration(),
    discoveryAddress: string(),
    discoveryRefreshDelay: duration(),
    zipkinAddress: string(),
    statsdUdpAddress: string(),
    envoyMetricsServiceAddress: string(),
    proxyAdminPort: int32(),
    availabilityZone: string(),
    controlPlaneAuthPolicy: enumOf('NONE', 'MUTUAL_TLS', 'INHERIT'),
    customConfigFile: string(),
    statNameLength: int32(),
    concurrency: int32(),
    proxyBootstrapTemplatePath: string(),
    interceptionMode: enumOf('REDIRECT', 'TPROXY', 'NONE'),
    tracing,
    sds: object({ enabled: boolean(), k8sSaJwtPath: string() }),
    envoyAccessLogService: remoteService,
    envoyMetricsService: remoteService,
    proxyMetadata: map(string()),
    runtimeValues: map(string()),
    statusPort: int32(),
    extraStatTags: array(string()),
    gatewayTopology: object({
      numTrustedProxies: uint32(),
      forwardClientCertDetails,
      proxyProtocol: object({}),
    }),
    terminationDrainDuration: duration(),
    meshId: string(),
    readinessProbe,
    proxyStatsMatcher: object({
      inclusionPrefixes: array(string()),
      inclusionSuffixes: array(string()),
      inclusionRegexps: array(string()),
    }),
    holdApplicationUntilProxyStarts: boolean(),
    caCertificatesPem: array(string()),
    image: proxyImage,
    privateKeyProvider,
    proxyHeaders,
    fileFlushInterval: duration(),
    fileFlushMinSizeKb: uint32(),
    statsCompression: boolean(),
    connectionSettings,
  },
  {
    oneOf: [['serviceCluster', 'tracingServiceName']],
    protobufNames: true,
    removed: ['connectTimeout', 'mixerCheckServer', 'mixerReportServer', 'parentShutdownDuration'],
  },
);
export type MeshProxyConfig = Infer<typeof meshProxyConfigSchema>;
