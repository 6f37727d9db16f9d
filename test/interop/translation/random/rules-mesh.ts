import type { ExtensionProvider } from '../../../../src/config/kinds/mesh-config/schema.ts';
import { absent, one, some } from './rules-networking.ts';
import type { Rules } from './walk.ts';

type Fields = Record<string, unknown>;

const SERVICE = { service: 'a.default.svc.cluster.local', port: 50051 };
const SERVICE_HTTP = { service: 'other/b.other.svc.cluster.local', port: 80 };

/** The providers that Telemetries and AuthorizationPolicies name, each with the fields that it cannot do without. */
export const PROVIDERS: readonly (readonly [string, keyof ExtensionProvider, Readonly<Fields>])[] = [
  ['authz-http', 'envoyExtAuthzHttp', SERVICE_HTTP],
  ['authz-grpc', 'envoyExtAuthzGrpc', SERVICE],
  ['opencensus', 'opencensus', SERVICE],
  ['zipkin', 'zipkin', SERVICE_HTTP],
  ['datadog', 'datadog', SERVICE_HTTP],
  ['skywalking', 'skywalking', SERVICE],
  ['otel-grpc', 'opentelemetry', SERVICE],
  ['otel-http', 'opentelemetry', SERVICE_HTTP],
  ['file-json', 'envoyFileAccessLog', { path: '/dev/stdout' }],
  ['file-text', 'envoyFileAccessLog', { path: '/dev/stderr' }],
  ['als-http', 'envoyHttpAls', SERVICE],
  ['als-tcp', 'envoyTcpAls', SERVICE],
  ['als-otel', 'envoyOtelAls', SERVICE],
  ['stackdriver', 'stackdriver', {}],
  ['prometheus', 'prometheus', {}],
  ['lightstep', 'lightstep', SERVICE],
  ['sds', 'sds', { name: 'sds', ...SERVICE }],
];

export const MESH_RULES: Rules = {
  // Made with their names and types by the mesh itself.
  'MeshConfig.extensionProviders': absent,
  'defaultProviders.tracing': (random) => [random.pick(['zipkin', 'otel-grpc', 'datadog', 'absent'])],
  'defaultProviders.metrics': one(['prometheus'], [], ['stackdriver']),
  'defaultProviders.accessLogging': (random) =>
    random.sample(['envoy', 'file-json', 'als-otel', 'absent'], random.int(1, 2)),
  trustDomain: one('cluster.local', 'td.example', 'cluster.local'),
  trustDomainAliases: some(['old.example', 'td.example']),
  rootNamespace: one('istio-system', 'default'),
  'MeshConfig.defaultServiceExportTo': one(['*'], ['.'], ['default']),
  'MeshConfig.defaultVirtualServiceExportTo': one(['*'], ['.'], ['default']),
  'MeshConfig.defaultDestinationRuleExportTo': one(['*'], ['.'], ['default']),
  proxyListenPort: one(15001, 16001),
  proxyInboundListenPort: one(15006, 16006),
  proxyHttpPort: one(0, 15080),
  accessLogFile: one('/dev/stdout', '/tmp/log', ''),
  accessLogFormat: one('%PROTOCOL% %REQ(x)%\n', '{"p": "%PROTOCOL%"}', ''),
  inboundClusterStatName: one('%SERVICE%_%SERVICE_PORT%', '%SERVICE_FQDN%_%TARGET_PORT%'),
  outboundClusterStatName: one('%SERVICE%_%SUBSET_NAME%_%SERVICE_PORT_NAME%', 'x_%SERVICE_NAME%'),
  ecdhCurves: some(['P-256', 'X25519', 'P-384']),
  'tlsDefaults.minProtocolVersion': one('TLS_AUTO', 'TLSV1_2'),
  'meshMTLS.ecdhCurves': some(['P-256', 'X25519']),
  'serviceSettings[].hosts': some(['*.default.svc.cluster.local', 'b.other.svc.cluster.local', '*']),
  connectTimeout: one('1s', '10s', '100ms'),
  protocolDetectionTimeout: one('0s', '5s', '0.1s'),
  dnsRefreshRate: one('5s', '60s'),
  outboundTrafficPolicy: (random, walk) => {
    const policy = walk() as Fields;
    if (policy.tls !== undefined) policy.mode = 'ALLOW_ANY_DYNAMIC_DNS';
    return random.chance(0.9) ? policy : {};
  },
  'headers[].name': one('x-h', 'authorization'),
  'headers[]': (_, walk) => {
    const header = walk() as Fields;
    if (header.value === undefined && header.envName === undefined) header.value = 'v';
    return { name: 'x-h', ...header };
  },
  'initialMetadata[]': (_, walk) => {
    const header = walk() as Fields;
    if (header.value === undefined && header.envName === undefined) header.value = 'v';
    return { name: 'x-h', ...header };
  },
  statusOnError: one('503', '403'),
  'tracing.tlsSettings': one(
    { mode: 'SIMPLE', caCertificates: '/certs/ca.crt' },
    { mode: 'DISABLE' },
    { mode: 'ISTIO_MUTUAL' },
  ),
  privateKeyProvider: one(
    { cryptomb: { pollDelay: '1s', fallback: true } },
    { qat: { pollDelay: '1s', fallback: true } },
  ),
  readinessProbe: absent,
  'http.path': one('/v1/traces', '/x'),
  pathPrefix: one('/check', '/'),
  includeHeadersInCheck: some(['x-a', 'x-*', 'Cookie']),
  includeRequestHeadersInCheck: some(['x-a', 'x-*', '*-z']),
  headersToUpstreamOnAllow: some(['x-a', 'authorization', '*']),
  headersToDownstreamOnDeny: some(['x-a', 'set-cookie']),
  headersToDownstreamOnAllow: some(['x-a', 'x-*']),
  maxRequestBytes: one(1, 8192),
  'zipkin.path': one('/api/v2/spans', ''),
  'logFormat.text': one('%PROTOCOL%\n', '%REQ(x)%'),
  'logFormat.labels': one({ p: '%PROTOCOL%' }, { n: { m: '%REQ(x)%' }, q: '%START_TIME%' }),
  'stackdriver.logging': absent,
  'MeshConfig.ingressClass': absent,
  'MeshConfig.ingressService': absent,
  'MeshConfig.ingressControllerMode': absent,
  'MeshConfig.ingressSelector': absent,
  'MeshConfig.discoverySelectors': absent,
  'MeshConfig.serviceScopeConfigs': absent,
  'ProxyConfig.concurrency': one(0, 1, 4),
  'ProxyConfig.environmentVariables{key}': one('ISTIO_META_X', 'A'),
  imageType: one('distroless', 'debug'),
  // What istiod sends hangs on these; the rest of a proxy's configuration is its agent's.
  'zipkin.address': one('zipkin.other:9411', 'b.other.svc.cluster.local:80'),
  'lightstep.address': one('b.other.svc.cluster.local:80'),
  'datadog.address': one('b.other.svc.cluster.local:80'),
  'openCensusAgent.address': one('b.other.svc.cluster.local:80'),
  'envoyAccessLogService.address': one('a.default.svc.cluster.local:50051'),
  'envoyMetricsService.address': one('a.default.svc.cluster.local:50051'),
  discoveryAddress: one('127.0.0.1:1'),
  zipkinAddress: one('zipkin.other:9411'),
  statsdUdpAddress: one('10.8.0.1:8125'),
  envoyMetricsServiceAddress: one('a.default.svc.cluster.local:50051'),
  numTrustedProxies: one(0, 1, 3),
  statNameLength: one(189),
  'server.value': one('own', ''),
  interceptionMode: one('REDIRECT', 'TPROXY', 'NONE'),
  inclusionRegexps: some(['.*x', 'http.*']),
  listenerPerConnectionBufferLimitBytes: one(0, 1024, 65536),
  clusterPerConnectionBufferLimitBytes: one(0, 1024, 65536),
  http2InitialStreamWindowSize: one(65535, 131072),
  http2InitialConnectionWindowSize: one(65535, 1048576),
  fileFlushInterval: one('1s', '10s'),
  drainDuration: one('45s', '5s'),
  terminationDrainDuration: one('5s'),
};

export const MESH_RATES: Readonly<Record<string, number>> = {
  'MeshConfig.defaultConfig': 0.4,
  'defaultConfig.tracing': 0.4,
  'tracing.lightstep': 0.4,
  'tracing.customTags': 0.5,
  'lightstep.address': 1,
  'lightstep.accessToken': 1,
  'customTags{}.environment': 0.5,
  'MeshConfig.rootNamespace': 0.08,
  'MeshConfig.configSources': 0,
  'MeshConfig.ca': 0,
  'MeshConfig.caCertificates': 0,
  'MeshConfig.certificates': 0,
};
