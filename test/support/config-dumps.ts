import type { JsonObject } from '@bufbuild/protobuf';

/**
 * What admin interfaces answer, made up so that every rule by which `proxy-config` describes it has a case: names that
 * look like others, orders that have to be found, texts that have to be escaped, forms that are rare.
 */

const ADMIN = 'type.googleapis.com/envoy.admin.v3.';
const NETWORK = 'type.googleapis.com/envoy.extensions.filters.network.';

function dump(...configs: JsonObject[]): JsonObject {
  return { configs };
}

function section(name: string, fields: JsonObject): JsonObject {
  return { '@type': ADMIN + name, ...fields };
}

function istioMetadata(config: string | number): JsonObject {
  return { filter_metadata: { istio: { config } } };
}

function tcpProxy(cluster: string): JsonObject {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: { '@type': `${NETWORK}tcp_proxy.v3.TcpProxy`, stat_prefix: cluster, cluster },
  };
}

function http(config: JsonObject): JsonObject {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${NETWORK}http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'x',
      ...config,
    },
  };
}

function inline(...virtualHosts: JsonObject[]): JsonObject {
  return http({ route_config: { name: 'inline', virtual_hosts: virtualHosts } });
}

function chain(match: JsonObject | undefined, ...filters: JsonObject[]): JsonObject {
  return { ...(match ? { filter_chain_match: match } : {}), filters };
}

function listener(name: string, address: string, port: number, more: JsonObject): JsonObject {
  return {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name,
    address: { socket_address: { address, port_value: port } },
    ...more,
  };
}

const toA = { match: { prefix: '/' }, route: { cluster: 'outbound|80||a' } };
const ISTIO_TLS = ['istio-peer-exchange', 'istio'];
const HTTP_TLS = ['http/1.0', 'http/1.1', 'h2c', 'istio-http/1.0', 'istio-http/1.1', 'istio-h2'];

const LISTENER_LIST: JsonObject[] = [
  listener('virtualOutbound', '0.0.0.0', 15001, {
    filter_chains: [chain({ destination_port: 15001 }, tcpProxy('BlackHoleCluster'))],
    default_filter_chain: chain(undefined, tcpProxy('PassthroughCluster')),
  }),
  listener('b', '10.0.0.2', 80, {
    filter_chains: [
      chain({ server_names: ['a.test', 'b.test'], transport_protocol: 'tls' }, tcpProxy('outbound|80||b')),
      chain({ application_protocols: ['http/1.0', 'http/1.1', 'h2c'] }, http({ rds: { route_config_name: '80' } })),
      chain({ application_protocols: HTTP_TLS }, http({})),
      chain({ application_protocols: ISTIO_TLS }, { name: 'x' }, tcpProxy('BlackHoleCluster')),
      chain({ application_protocols: ['istio', 'h2'] }, inline({ name: 'v', domains: ['*'], routes: [toA] })),
    ],
  }),
  listener('a', '10.0.0.1', 80, {
    additional_addresses: [{ address: { socket_address: { address: '::1', port_value: 80 } } }],
    filter_chains: [
      chain(
        {
          destination_port: 8080,
          prefix_ranges: [
            { address_prefix: '10.0.0.0', prefix_len: 8 },
            { address_prefix: '::', prefix_len: 0 },
          ],
        },
        inline(
          { name: 'v', domains: ['a<b>&c'], routes: [toA, { match: { path: '/x' }, redirect: {} }] },
          {
            name: 'w',
            domains: ['*'],
            routes: [{ match: { safe_regex: { regex: 'a.*"' } }, direct_response: { status: 404 } }],
          },
        ),
      ),
    ],
  }),
  listener('same', '10.0.0.1', 80, { filter_chains: [chain({ prefix_ranges: [] }, tcpProxy('c'))] }),
  {
    '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
    name: 'pipe',
    address: { pipe: { path: '/run/x.sock', mode: 384 } },
    filter_chains: [chain(undefined, { name: 'other' })],
    listener_filters_timeout: '0.100s',
    per_connection_buffer_limit_bytes: 32768,
    freebind: false,
  },
];

const LISTENERS = section('ListenersConfigDump', {
  version_info: '7',
  static_listeners: [{ listener: LISTENER_LIST[0]!, last_updated: '2026-01-02T03:04:05.600Z' }],
  dynamic_listeners: [
    ...LISTENER_LIST.slice(1).map((l) => ({ name: l.name!, active_state: { version_info: '7', listener: l } })),
    { name: 'warming', warming_state: { listener: LISTENER_LIST[1]! } },
  ],
});

const CONFIG = '/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web';
const ROUTES_OF_HOST: JsonObject[] = [
  { ...toA, metadata: istioMetadata(CONFIG) },
  { match: { prefix: '/short' }, route: { cluster: 'c' }, metadata: istioMetadata('/apis/networking.istio.io/v1') },
  { match: { prefix: '/other' }, route: { cluster: 'c' }, metadata: istioMetadata('/apis/example.com/v1') },
  { match: { prefix: '/number' }, route: { cluster: 'c' }, metadata: istioMetadata(5) },
  { match: { safe_regex: { regex: '/a.*<b>' } }, route: { cluster: 'c', timeout: '1.50s' } },
  { match: { path_separated_prefix: '/segment' }, redirect: { https_redirect: true } },
  { match: { prefix: '' }, direct_response: { status: 200, body: { inline_string: 'no\nplain: text' } } },
  { match: { prefix: '/hidden' }, route: { cluster: 'PassthroughCluster' } },
  { match: { connect_matcher: {} }, route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1 }] } } },
];
const SERVICE = ['web.default.svc.cluster.local', 'web', 'web.default.svc', 'web.default', '10.0.0.1'];
const VIRTUAL_HOSTS: JsonObject[] = [
  { name: 'all', domains: ['a.test'], routes: ROUTES_OF_HOST },
  { name: 'empty', domains: ['*'] },
  { name: 'nothing', routes: [toA] },
  { name: 'service', domains: SERVICE.flatMap((name) => [name, `${name}:80`]) },
  { name: 'ipv6', domains: ['[fd00::1:2:3]', '[fd00::1:2:3]:80', 'x'] },
];

/** More than a dozen, so that how they are sorted shows in the order of those that are equal. */
const ROUTE_NAMES = [
  '8080',
  'http.80',
  '15014',
  'inbound|80||',
  '9080',
  'x',
  '443',
  '',
  '1',
  '+7',
  '08',
  '70000',
  '80',
];

function routeConfig(name: string): JsonObject {
  const virtualHosts = name === '80' ? VIRTUAL_HOSTS : VIRTUAL_HOSTS.slice(1, 2);
  return {
    last_updated: '2026-01-02T03:04:05Z',
    route_config: {
      '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
      name,
      virtual_hosts: virtualHosts,
      validate_clusters: false,
      max_direct_response_body_size_bytes: 1048576,
    },
  };
}

const ROUTES = section('RoutesConfigDump', {
  dynamic_route_configs: ROUTE_NAMES.slice(0, 9).map(routeConfig),
  static_route_configs: ROUTE_NAMES.slice(9).map(routeConfig),
});

const CLUSTER_NAMES = [
  'outbound|80||b.test',
  'outbound|80|v1|b.test',
  'inbound|80||',
  '|80||x',
  'a|b|c',
  'a|b|c|d',
  'a|b|c|d|e',
  'outbound_.80_._.b.test',
  'outbound_.80_.v1_.b.test|x|y|z',
  'outbound|x|s|h',
  'xds-grpc',
  'agent',
  'outbound|443||b.test',
  'outbound|-3|v|b.test',
];
const CLUSTER_TYPES: JsonObject[] = [
  {},
  { type: 'EDS' },
  { type: 'STRICT_DNS', typed_extension_protocol_options: {} },
  { type: 'LOGICAL_DNS' },
  { type: 'ORIGINAL_DST' },
  { cluster_type: { name: 'envoy.clusters.aggregate' } },
];
const CLUSTER_LIST = CLUSTER_NAMES.map((name, i) => ({
  version_info: '7',
  cluster: {
    '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    name,
    connect_timeout: '10s',
    circuit_breakers: {
      thresholds: [{ max_connections: 4294967295, retry_budget: { budget_percent: { value: 2.5 } } }],
    },
    metadata: istioMetadata('/apis/networking.istio.io/v1alpha3/namespaces/shop/destination-rule/b'),
    ...CLUSTER_TYPES[i % CLUSTER_TYPES.length],
  },
}));

const CLUSTERS = section('ClustersConfigDump', {
  dynamic_active_clusters: CLUSTER_LIST.slice(0, 9),
  static_clusters: CLUSTER_LIST.slice(9),
  dynamic_warming_clusters: CLUSTER_LIST.slice(0, 1),
});

const STATUSES = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN', 'DRAINING', 'TIMEOUT', 'DEGRADED'];

function assignment(clusterName: string, locality: JsonObject): JsonObject {
  const endpoints = STATUSES.map((health_status, i) => ({
    endpoint: { address: { socket_address: { address: `10.0.0.${9 - i}`, port_value: 80 } } },
    health_status,
    load_balancing_weight: 1,
  }));
  const internal = { server_listener_name: 'connect_originate', endpoint_id: '1.2.3.4:80' };
  return {
    endpoint_config: {
      '@type': 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
      cluster_name: clusterName,
      endpoints: [
        { locality, lb_endpoints: endpoints },
        {
          lb_endpoints: [
            { endpoint: { address: { pipe: { path: '/p' } } } },
            { endpoint: { address: { envoy_internal_address: internal } } },
          ],
        },
      ],
    },
  };
}

const ENDPOINTS = section('EndpointsConfigDump', {
  dynamic_endpoint_configs: [
    assignment('outbound|80||b', { region: 'r', zone: 'z', sub_zone: 's' }),
    assignment('outbound|80||a', { region: 'r' }),
  ],
  static_endpoint_configs: [assignment('xds-grpc', {}), assignment('agent', { region: 'r', zone: 'z' })],
});

const BOOTSTRAP = section('BootstrapConfigDump', {
  last_updated: '2026-01-02T03:04:05.600700Z',
  bootstrap: {
    node: {
      id: 'sidecar~10.0.0.1~web.shop~shop.svc.cluster.local',
      metadata: {
        ISTIO_VERSION: '1.31.0',
        ISTIO_PROXY_SHA: 'istio-proxy:abc',
        nested: { list: [1, 'two', { three: null }, [], {}], text: 'a <b> & "c"' },
        empty: {},
      },
      user_agent_build_version: {
        version: { major_number: 1, minor_number: 40, patch: 2 },
        metadata: { 'build.label': 'dev', 'build.type': 'RELEASE', 'ssl.version': 'BoringSSL' },
      },
    },
    stats_flush_interval: '5s',
    admin: { profile_path: '/dev/null', address: { socket_address: { address: '127.0.0.1', port_value: 15000 } } },
    layered_runtime: { layers: [{ name: 'x', static_layer: { 'a.b': '1', 're2.max': 4294967295, ratio: 0.1 } }] },
  },
});

function extension(name: string, type: string, config: JsonObject = {}): JsonObject {
  return {
    version_info: '1',
    ecds_filter: {
      '@type': 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
      name,
      typed_config: { '@type': `type.googleapis.com/${type}`, ...config },
    },
    last_updated: '2026-01-02T03:04:05Z',
  };
}

const ECDS = section('EcdsConfigDump', {
  ecds_filters: [
    extension('b', 'envoy.extensions.filters.http.rbac.v3.RBAC', { rules: { action: 'DENY' } }),
    extension('a', 'envoy.extensions.filters.http.rbac.v3.RBAC'),
    extension('z', 'envoy.extensions.filters.http.buffer.v3.Buffer', { max_request_bytes: 5 }),
  ],
});

const SECRET = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** Secrets of certificates in PEM: a chain, authorities, those of trust domains, and what is none. */
export function secretsDump(chainPem: string, caPem: string): JsonObject {
  const bytes = (pem: string) => ({ inline_bytes: Buffer.from(pem).toString('base64') });
  const secret = (name: string, fields: JsonObject) => ({ name, secret: { '@type': SECRET, name, ...fields } });
  const tls = (source: JsonObject) => ({
    tls_certificate: { certificate_chain: source, private_key: bytes('[redacted]') },
  });
  const domains = ['a.test', 'b.test'].map((name) => ({ name, trust_bundle: bytes(caPem) }));
  const spiffe = {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      trust_domains: domains,
    },
  };
  return section('SecretsConfigDump', {
    static_secrets: [secret('static', tls(bytes(chainPem)))],
    dynamic_active_secrets: [
      { ...secret('default', tls(bytes(chainPem + caPem))), version_info: '1', last_updated: '2026-01-02T03:04:05Z' },
      secret('ROOTCA', { validation_context: { trusted_ca: bytes(caPem) } }),
      secret('file', tls({ filename: '/x' })),
      secret('nonsense', tls(bytes('nonsense'))),
      secret('broken', tls(bytes('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'))),
      secret('spire', { validation_context: { custom_validator_config: spiffe } }),
    ],
    dynamic_warming_secrets: [secret('warm', {})],
  });
}

/** All sections that need no certificates. */
export const SECTIONS = { BOOTSTRAP, CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, ECDS };

/** Every section there is, with these secrets. */
export function wholeDump(secrets: JsonObject): JsonObject {
  return dump(BOOTSTRAP, CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, secrets, ECDS);
}

/** Every section, with nothing in any. */
export const EMPTY_DUMP = dump(
  ...[BOOTSTRAP, CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, ECDS].map((full) => ({ '@type': full['@type']! })),
  section('SecretsConfigDump', {}),
);

const STATS: JsonObject[] = [
  { name: 'cx_total', value: '5' },
  { type: 'GAUGE', name: 'cx_active' },
];
const HOSTS = STATUSES.map(
  (eds_health_status, i): JsonObject => ({
    address: { socket_address: { address: `10.0.0.${i}`, port_value: 80 + (i % 2) } },
    stats: STATS,
    health_status: { eds_health_status, failed_outlier_check: i % 3 === 0, failed_active_health_check: true },
    weight: 1,
    hostname: '',
    locality: { region: 'r' },
    success_rate: { value: -1 },
  }),
);

/** What `/clusters?format=json` answers. */
export const CLUSTER_STATUSES: JsonObject = {
  cluster_statuses: [
    { name: 'outbound|80||b', added_via_api: true, host_statuses: HOSTS, eds_service_name: 'b' },
    {
      name: 'outbound|80||a',
      host_statuses: [...HOSTS.slice(2), { address: { pipe: { path: '/run/x.sock' } }, health_status: {} }],
      circuit_breakers: { thresholds: [{ max_requests: 4294967295 }, { priority: 'HIGH' }] },
    },
    { name: 'empty' },
  ],
};
