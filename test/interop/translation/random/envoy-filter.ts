import { EDGE_HOSTS, GATEWAYS, HOSTS, NAMESPACES, PORT_NUMBERS } from './pools.ts';
import type { Random } from './prng.ts';
import { one } from './rules-networking.ts';
import type { Rules } from './walk.ts';

type Fields = Record<string, unknown>;

const TYPE = 'type.googleapis.com/';
const FILTERS = `${TYPE}envoy.extensions.filters`;
const typed = (name: string, type: string, rest: Fields = {}) => ({ name, typed_config: { '@type': type, ...rest } });

/** What patches of each target put in, in Envoy's own API. */
const VALUES: Readonly<Record<string, readonly Fields[]>> = {
  LISTENER: [
    { per_connection_buffer_limit_bytes: 4096 },
    { name: 'own', address: { socket_address: { address: '0.0.0.0', port_value: 4321 } }, filter_chains: [] },
    { connection_balance_config: { exact_balance: {} }, tcp_backlog_size: 5 },
    { listener_filters: [typed('lf', `${FILTERS}.listener.tls_inspector.v3.TlsInspector`)] },
  ],
  LISTENER_FILTER: [
    typed('envoy.filters.listener.proxy_protocol', `${FILTERS}.listener.proxy_protocol.v3.ProxyProtocol`),
    typed('lf', `${FILTERS}.listener.original_src.v3.OriginalSrc`, { mark: 7 }),
  ],
  FILTER_CHAIN: [
    { transport_socket_connect_timeout: '3s' },
    { name: 'fc', filter_chain_match: { transport_protocol: 'tls' }, filters: [] },
    { filter_chain_match: { server_names: ['p.example.com'] } },
    {
      transport_socket: typed('tls', `${TYPE}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`, {
        require_client_certificate: true,
      }),
    },
  ],
  NETWORK_FILTER: [
    typed('nf', `${FILTERS}.network.local_ratelimit.v3.LocalRateLimit`, { stat_prefix: 'p' }),
    typed('envoy.filters.network.tcp_proxy', `${FILTERS}.network.tcp_proxy.v3.TcpProxy`, { max_connect_attempts: 3 }),
    typed(
      'envoy.filters.network.http_connection_manager',
      `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`,
      {
        stream_idle_timeout: '7s',
        common_http_protocol_options: { max_headers_count: 50 },
        internal_address_config: { unix_sockets: true },
      },
    ),
  ],
  HTTP_FILTER: [
    typed('lua', `${FILTERS}.http.lua.v3.Lua`, {
      default_source_code: { inline_string: 'function envoy_on_request(h) end' },
    }),
    typed('envoy.filters.http.router', `${FILTERS}.http.router.v3.Router`, { dynamic_stats: false }),
    typed('envoy.filters.http.fault', `${FILTERS}.http.fault.v3.HTTPFault`, {
      abort: { http_status: 418, percentage: { numerator: 1 } },
    }),
    { name: 'discovered', config_discovery: { config_source: { ads: {} }, type_urls: [`${FILTERS}.http.lua.v3.Lua`] } },
    { name: 'lua', disabled: true },
  ],
  ROUTE_CONFIGURATION: [
    { request_headers_to_add: [{ header: { key: 'x-rc', value: '1' } }] },
    { virtual_hosts: [{ name: 'own', domains: ['own.example.com'] }] },
    { ignore_port_in_host_matching: true },
  ],
  VIRTUAL_HOST: [
    { response_headers_to_remove: ['x-vh'] },
    { name: 'vh', domains: ['vh.example.com'], routes: [{ match: { prefix: '/' }, direct_response: { status: 204 } }] },
    { rate_limits: [{ actions: [{ remote_address: {} }] }], include_request_attempt_count: false },
  ],
  HTTP_ROUTE: [
    { route: { timeout: '9s', prefix_rewrite: '/p' } },
    { name: 'radd', match: { prefix: '/radd' }, direct_response: { status: 202 } },
    { response_headers_to_add: [{ header: { key: 'x-rt', value: '1' }, append_action: 'ADD_IF_ABSENT' }] },
    {
      route: {
        rate_limits: [{ actions: [{ request_headers: { header_name: 'a', descriptor_key: 'b' } }] }],
        retry_policy: { num_retries: 9 },
      },
    },
    { typed_per_filter_config: { lua: { '@type': `${FILTERS}.http.lua.v3.LuaPerRoute`, disabled: true } } },
  ],
  CLUSTER: [
    { connect_timeout: '2s', circuit_breakers: { thresholds: [{ max_connections: 7 }] } },
    { name: 'own-cluster', type: 'STATIC', connect_timeout: '1s' },
    { transport_socket: typed('raw', `${TYPE}envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer`) },
    {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': `${TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
          explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 5 } },
        },
      },
    },
    { lb_policy: 'RING_HASH', outlier_detection: { consecutive_5xx: 3 } },
  ],
  EXTENSION_CONFIG: [
    typed('discovered', `${FILTERS}.http.lua.v3.Lua`, { default_source_code: { inline_string: '-- x' } }),
  ],
  BOOTSTRAP: [{ node: { cluster: 'x' } }],
};

const OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  LISTENER: ['MERGE', 'ADD', 'REMOVE', 'MERGE_AND_REPLACE_LIST'],
  FILTER_CHAIN: ['MERGE', 'ADD', 'REMOVE', 'MERGE_AND_REPLACE_LIST'],
  ROUTE_CONFIGURATION: ['MERGE', 'MERGE_AND_REPLACE_LIST', 'REMOVE'],
  VIRTUAL_HOST: ['MERGE', 'ADD', 'REMOVE', 'MERGE_AND_REPLACE_LIST'],
  CLUSTER: ['MERGE', 'ADD', 'REMOVE', 'MERGE_AND_REPLACE_LIST'],
  EXTENSION_CONFIG: ['ADD'],
  BOOTSTRAP: ['MERGE'],
};
const ORDERED = [
  'MERGE',
  'REMOVE',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'INSERT_FIRST',
  'REPLACE',
  'ADD',
  'MERGE_AND_REPLACE_LIST',
];

const MATCH_OF: Readonly<Record<string, string>> = {
  LISTENER: 'listener',
  LISTENER_FILTER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
};

export const ENVOY_FILTER_RULES: Rules = {
  'EnvoyFilter.configPatches': (_, walk) => walk(),
  'configPatches[]': (random, walk) => {
    const patch = walk() as { applyTo: string; match?: Fields };
    const { applyTo, match = {} } = patch;
    for (const kind of ['listener', 'routeConfiguration', 'cluster', 'waypoint']) {
      if (kind !== MATCH_OF[applyTo]) delete match[kind];
    }
    return {
      applyTo,
      ...(Object.keys(match).length === 0 && random.chance(0.7) ? {} : { match }),
      patch: patchOf(random, applyTo, patch),
    };
  },
  applyTo: one(...Object.keys(VALUES)),
  'match.context': one('ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY'),
  proxyVersion: one('^1\\.31.*', '1.2.*', '.*'),
  'proxy.metadata{key}': one('NAMESPACE', 'MESH_ID'),
  'proxy.metadata{}': one('default', 'cluster.local'),
  portNumber: one(...PORT_NUMBERS, 15001, 15006),
  portName: one('http-80', 'p80', 'https-443'),
  'listener.name': one('virtualInbound', 'virtualOutbound', '0.0.0.0_80', '10.96.0.1_443'),
  listenerFilter: one(
    'envoy.filters.listener.original_dst',
    'envoy.filters.listener.tls_inspector',
    'envoy.filters.listener.http_inspector',
  ),
  'filterChain.name': one(
    'virtualInbound-catchall-http',
    'virtualOutbound-catchall-tcp',
    'PassthroughFilterChain',
    '0.0.0.0_8080',
  ),
  'filterChain.sni': one('a.example.com', 'x.wild.example.com'),
  transportProtocol: one('tls', 'raw_buffer'),
  applicationProtocols: one('istio', 'http/1.1,h2c', 'istio-peer-exchange,istio'),
  destinationPort: one(80, 8080, 15006),
  'filter.name': one(
    'envoy.filters.network.http_connection_manager',
    'envoy.filters.network.tcp_proxy',
    'istio.metadata_exchange',
  ),
  'subFilter.name': one(
    'envoy.filters.http.router',
    'envoy.filters.http.fault',
    'istio.stats',
    'envoy.filters.http.cors',
  ),
  'routeConfiguration.name': one('80', '8080', 'http.80', 'http.8080', 'inbound|8080||'),
  'routeConfiguration.gateway': (random) => `${random.pick(NAMESPACES)}/${random.pick(GATEWAYS)}`,
  'vhost.name': (random) => `${random.pick([...EDGE_HOSTS, ...HOSTS])}:${random.pick([80, 8080])}`,
  'vhost.domainName': one('a.default.svc.cluster.local', 'a.example.com', 'a'),
  'vhost.route.name': one('n1', 'n2', 'default', 'n1.m1'),
  'cluster.service': one(...HOSTS),
  'cluster.subset': one('v1', 'v2'),
  'cluster.name': one(
    'InboundPassthroughCluster',
    'BlackHoleCluster',
    'outbound|80||a.default.svc.cluster.local',
    'inbound|8080||',
  ),
};

function patchOf(random: Random, applyTo: string, made: object): Fields {
  const { patch } = made as { patch?: { filterClass?: string } };
  const operation = random.pick(OPERATIONS[applyTo] ?? ORDERED);
  const { filterClass } = patch ?? {};
  return {
    operation,
    ...(operation === 'REMOVE' ? {} : { value: random.pick(VALUES[applyTo]!) }),
    ...(filterClass !== undefined &&
    applyTo.endsWith('_FILTER') &&
    (operation === 'ADD' || operation === 'INSERT_FIRST')
      ? { filterClass }
      : {}),
  };
}

export const ENVOY_FILTER_RATES: Readonly<Record<string, number>> = {
  'EnvoyFilter.configPatches': 1,
  'configPatches[].applyTo': 1,
  'configPatches[].match': 1,
  'configPatches[].patch': 1,
  'match.listener': 0.5,
  'match.routeConfiguration': 0.7,
  'routeConfiguration.vhost': 0.6,
  'vhost.name': 0.4,
  'vhost.domainName': 0.4,
  'vhost.route.action': 0.5,
  'routeConfiguration.name': 0.4,
  'match.waypoint': 0,
  'filter.name': 1,
  'subFilter.name': 1,
  subFilter: 0.6,
  'listener.filterChain': 0.6,
  'filterChain.filter': 0.6,
  'patch.filterClass': 0.5,
  'patch.operation': 1,
  'match.cluster': 0.7,
  'cluster.service': 0.4,
  'cluster.subset': 0.4,
  'cluster.name': 0.5,
  'vhost.route': 0.5,
  'vhost.route.name': 0.6,
};
