import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Proxy-Status (RFC 9209): what a connection manager tells of responses that are not what was asked for. */

const LISTENERS: Readonly<Record<string, JsonObject>> = {
  plain: { proxy_status_config: {} },
  named: { proxy_status_config: { literal_proxy_name: 'edge 1' } },
  node: { proxy_status_config: { use_node_id: true } },
  'not-node': { proxy_status_config: { use_node_id: false }, server_name: 'my-server' },
  'no-details': { proxy_status_config: { remove_details: true } },
  'no-termination': { proxy_status_config: { remove_connection_termination_details: true } },
  'no-flags': { proxy_status_config: { remove_response_flags: true } },
  recommended: { proxy_status_config: { set_recommended_response_code: true } },
  server: { proxy_status_config: {}, server_name: 'my-server' },
  without: {},
};

const route = (prefix: string, to: string, fields: JsonObject = {}): JsonObject => ({
  match: { prefix },
  route: { cluster: to, ...fields },
});

const ROUTES: readonly JsonObject[] = [
  route('/unknown-cluster', 'none'),
  route('/refused', 'refusing'),
  route('/empty', 'empty'),
  route('/overflow', 'full'),
  route('/slow', 'slow', { timeout: '0.1s' }),
  route('/per-try', 'slow', {
    timeout: '2s',
    retry_policy: { retry_on: 'gateway-error', num_retries: 0, per_try_timeout: '0.1s' },
  }),
  route('/retried', 'broken', { retry_policy: { retry_on: 'reset', num_retries: 1 } }),
  route('/broken', 'broken'),
  route('/nonsense', 'nonsense'),
  route('/idle', 'slow', { idle_timeout: '0.1s' }),
  route('/stream', 'slow', { max_stream_duration: { max_stream_duration: '0.1s' } }),
  { match: { prefix: '/direct' }, direct_response: { status: 503, body: { inline_string: 'x' } } },
  {
    match: { prefix: '/limited' },
    route: { cluster: 'backend' },
    typed_per_filter_config: {
      limit: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
        stat_prefix: 'limited',
        token_bucket: { max_tokens: 1, fill_interval: '1000s', tokens_per_fill: 1 },
        filter_enabled: { default_value: { numerator: 100 } },
        filter_enforced: { default_value: { numerator: 100 } },
        status: { code: 'TooManyRequests' },
      },
    },
  },
  route('/ok', 'backend'),
];

const LIMIT = named('limit', 'http.local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'limit' });

const get = (listener: string, path: string): TwinCase => ({ name: `${listener}: ${path}`, listener, send: { path } });
const PATHS = [
  '/unknown-cluster',
  '/refused',
  '/empty',
  '/overflow',
  '/slow',
  '/per-try',
  '/retried',
  '/broken',
  '/nonsense',
  '/idle',
  '/stream',
  '/direct',
  '/limited',
  '/limited',
  '/nowhere',
  '/ok',
];

const CASES: readonly TwinCase[] = [
  ...PATHS.map((path) => get('plain', path)),
  ...PATHS.map((path) => get('recommended', path)),
  ...Object.keys(LISTENERS).flatMap((listener) =>
    ['/slow', '/nowhere', '/broken', '/refused'].map((path) => get(listener, path)),
  ),
  { name: 'a bad request', listener: 'plain', send: ['GET / HTTP/1.1\r\n\r\n'] },
  { name: 'no request at all', listener: 'plain', send: ['nonsense\r\n\r\n'] },
  ...[
    'HTTP/1.1 200 OK\r\nbad header\r\n\r\n',
    'HTTP/1.1 abc\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n',
    'HTTP/1.1 200 OK\r\nx: \u0001\r\n\r\n',
  ].map((answer): TwinCase => ({ name: JSON.stringify(answer), listener: 'plain', send: { path: '/ok' }, answer })),
  {
    name: 'a status of another proxy',
    listener: 'plain',
    send: { path: '/ok' },
    answer: 'HTTP/1.1 200 OK\r\nproxy-status: other; error=dns_error\r\ncontent-length: 0\r\n\r\n',
  },
];

test('Proxy-Status as Envoy writes it', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(LISTENERS),
    backends: () => ({
      slow: () => '',
      broken: () => undefined,
      nonsense: () => 'nonsense\r\n\r\n',
    }),
    bootstrap: (env) => ({
      node: { id: 'node-1', cluster: 'c' },
      static_resources: {
        listeners: Object.entries(LISTENERS).map(([name, manager]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            manager,
            filters: [LIMIT],
            routes: ROUTES,
            routeConfig: { validate_clusters: false },
          }),
        ),
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('slow', env.backend('slow')),
          cluster('broken', env.backend('broken')),
          cluster('nonsense', env.backend('nonsense')),
          cluster('refusing', 1),
          { ...cluster('empty', 1), load_assignment: { cluster_name: 'empty' } },
          {
            ...cluster('full', env.backend('slow')),
            circuit_breakers: { thresholds: [{ max_pending_requests: 0, max_connections: 0 }] },
          },
        ],
      },
    }),
  });
  await compare(t, twins, CASES);
});
