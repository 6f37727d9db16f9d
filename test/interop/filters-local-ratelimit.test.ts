import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, percent, TO_BACKEND, tcpListener } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type Twin, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Buckets fill so slowly that nothing comes while a test runs. */

const NAME = 'envoy.filters.http.local_ratelimit';
const TYPE = 'http.local_ratelimit.v3.LocalRateLimit';
const ON = { default_value: percent(100) };
const bucket = (tokens: number, seconds = 1000) => ({
  max_tokens: tokens,
  tokens_per_fill: 1,
  fill_interval: `${seconds}s`,
});
const limit = (prefix: string, fields: JsonObject): JsonObject => ({
  stat_prefix: prefix,
  filter_enabled: ON,
  filter_enforced: ON,
  ...fields,
});
const route = (prefix: string, fields: JsonObject, rateLimits: JsonObject[] = []) => ({
  match: { prefix },
  route: { cluster: 'backend', rate_limits: rateLimits },
  typed_per_filter_config: { [NAME]: any(TYPE, fields) },
});
const entries = (...list: [string, string][]) => list.map(([key, value]) => ({ key, value }));
const actions = (...list: JsonObject[]): JsonObject[] => [{ actions: list }];

const add = (key: string, value: string) => ({ header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' });
const HEADERS = { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' };
const GRPC: [string, string][] = [['content-type', 'application/grpc']];

const WHO: JsonObject = { request_headers: { header_name: 'x-who', descriptor_key: 'who' } };
const LOOPBACK: JsonObject = { ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] };
/** A bucket for each value of `who`, which the filter itself reads. */
const wildcard = (tokens: number, other: JsonObject = {}, headers = 'DRAFT_VERSION_03'): JsonObject => ({
  token_bucket: bucket(20),
  enable_x_ratelimit_headers: headers,
  descriptors: [
    { entries: entries(['who', '']), token_bucket: bucket(tokens) },
    ...('entries' in other ? [other] : []),
  ],
  rate_limits: actions(WHO),
});
const hits = (addend: JsonObject): JsonObject => ({ actions: [WHO], hits_addend: addend });
const told = (option: string): JsonObject => ({ actions: [WHO], x_ratelimit_option: option });

const ROUTES: readonly JsonObject[] = [
  route('/one', limit('one', { token_bucket: bucket(1), ...HEADERS })),
  route('/plain', limit('plain', { token_bucket: bucket(1) })),
  route(
    '/status',
    limit('status', {
      token_bucket: bucket(1),
      status: { code: 'ServiceUnavailable' },
      response_headers_to_add: [add('x-limited', 'yes'), add('x-path', '%REQ(:path)%')],
    }),
  ),
  route('/low', limit('low', { token_bucket: bucket(1), status: { code: 'OK' } })),
  route('/exhausted', limit('exhausted', { token_bucket: bucket(1), rate_limited_as_resource_exhausted: true })),
  route('/grpc', limit('grpc', { token_bucket: bucket(1) })),
  route('/disabled', { stat_prefix: 'disabled', token_bucket: bucket(1) }),
  route('/shadow', {
    stat_prefix: 'shadow',
    token_bucket: bucket(1),
    filter_enabled: ON,
    request_headers_to_add_when_not_enforced: [add('x-would', 'be limited')],
  }),
  route(
    '/by-header',
    limit('by-header', {
      token_bucket: bucket(3),
      ...HEADERS,
      descriptors: [
        { entries: entries(['who', 'a']), token_bucket: bucket(1) },
        { entries: entries(['who', 'b'], ['generic_key', 'x']), token_bucket: bucket(2, 2000) },
      ],
    }),
    [
      ...actions({ request_headers: { header_name: 'x-who', descriptor_key: 'who' } }),
      ...actions(
        { request_headers: { header_name: 'x-who', descriptor_key: 'who' } },
        { generic_key: { descriptor_value: 'x' } },
      ),
    ],
  ),
  route(
    '/own-only',
    limit('own-only', {
      token_bucket: bucket(1),
      ...HEADERS,
      always_consume_default_token_bucket: false,
      descriptors: [{ entries: entries(['remote_address', '127.0.0.1']), token_bucket: bucket(2) }],
    }),
    actions({ remote_address: {} }),
  ),
  route(
    '/host',
    limit('host', {
      token_bucket: bucket(9),
      descriptors: [{ entries: entries(['generic_key', 'host']), token_bucket: bucket(1) }],
    }),
  ),
  route(
    '/ignore',
    limit('ignore', {
      token_bucket: bucket(9),
      vh_rate_limits: 'IGNORE',
      descriptors: [{ entries: entries(['generic_key', 'host']), token_bucket: bucket(1) }],
    }),
  ),
  route(
    '/include',
    limit('include', {
      token_bucket: bucket(9),
      vh_rate_limits: 'INCLUDE',
      descriptors: [{ entries: entries(['generic_key', 'host']), token_bucket: bucket(1) }],
    }),
    actions({ generic_key: { descriptor_value: 'route' } }),
  ),
  route(
    '/stage',
    limit('stage', {
      token_bucket: bucket(9),
      stage: 3,
      descriptors: [
        { entries: entries(['generic_key', 'zero']), token_bucket: bucket(1) },
        { entries: entries(['generic_key', 'three']), token_bucket: bucket(2) },
      ],
    }),
    [
      { stage: 0, actions: [{ generic_key: { descriptor_value: 'zero' } }] },
      { stage: 3, actions: [{ generic_key: { descriptor_value: 'three' } }] },
    ],
  ),
  route(
    '/connection',
    limit('connection', { token_bucket: bucket(1), local_rate_limit_per_downstream_connection: true }),
  ),
  route('/wild', limit('wild', { ...wildcard(5), max_dynamic_descriptors: 2 })),
  route('/beside', limit('beside', { ...wildcard(5, { entries: entries(['who', 'a']), token_bucket: bucket(3) }) })),
  route(
    '/pair',
    limit('pair', {
      token_bucket: bucket(9),
      ...HEADERS,
      descriptors: [{ entries: entries(['who', ''], ['generic_key', 'x']), token_bucket: bucket(2) }],
      rate_limits: actions(WHO, { generic_key: { descriptor_value: 'x' } }),
    }),
  ),
  route('/route-wild', limit('route-wild', { ...wildcard(5), rate_limits: [] }), actions(WHO)),
  route(
    '/own',
    limit('own-rules', {
      token_bucket: bucket(9),
      descriptors: ['own', 'route'].map((key) => ({
        entries: entries(['generic_key', key]),
        token_bucket: bucket(1),
      })),
      rate_limits: actions({ generic_key: { descriptor_value: 'own' } }),
    }),
    actions({ generic_key: { descriptor_value: 'route' } }),
  ),
  route('/retry', limit('retry', { token_bucket: bucket(1), enable_retry_after_header: true })),
  route(
    '/shade',
    limit('shade', {
      token_bucket: bucket(9),
      ...HEADERS,
      descriptors: [
        { entries: entries(['who', 'a']), token_bucket: bucket(1), shadow_mode: true },
        { entries: entries(['generic_key', 'g']), token_bucket: bucket(2) },
      ],
      rate_limits: [...actions(WHO), ...actions({ generic_key: { descriptor_value: 'g' } })],
    }),
  ),
  route('/hits', limit('hits', { ...wildcard(5), rate_limits: [hits({ number: 3 })] })),
  route('/no-hits', limit('no-hits', { ...wildcard(5), rate_limits: [hits({ number: 0 })] })),
  route('/given-hits', limit('given-hits', { ...wildcard(5), rate_limits: [hits({ format: '%REQ(x-hits)%' })] })),
  route(
    '/back',
    limit('back', {
      ...wildcard(5),
      rate_limits: [
        hits({ number: 3 }),
        {
          actions: [{ request_headers: { header_name: 'x-back', descriptor_key: 'who' } }],
          hits_addend: { number: 2, is_negative_hits: true },
        },
      ],
    }),
  ),
  route('/told', limit('told', { ...wildcard(5, {}, 'OFF'), rate_limits: [told('DRAFT_VERSION_03')] })),
  route('/untold', limit('untold', { ...wildcard(5), rate_limits: [told('OFF')] })),
  route('/route-untold', limit('route-untold', { ...wildcard(5), rate_limits: [] }), [told('OFF')]),
  route('/done', limit('done', { ...wildcard(5), rate_limits: [{ actions: [WHO], apply_on_stream_done: true }] })),
  route(
    '/query',
    limit('query', {
      ...HEADERS,
      token_bucket: bucket(20),
      descriptors: ['a b', 'a+b', ''].map((value, i) => ({
        entries: entries(['q', value]),
        token_bucket: bucket(i + 1),
      })),
      rate_limits: actions({ query_parameters: { query_parameter_name: 'q', descriptor_key: 'q' } }),
    }),
  ),
  route(
    '/address',
    limit('address', {
      ...HEADERS,
      token_bucket: bucket(20),
      descriptors: ['a', 'other'].map((value, i) => ({
        entries: entries(['remote_address_match', value]),
        token_bucket: bucket(i + 1),
      })),
      rate_limits: actions({
        remote_address_match: { descriptor_value: '%REQ(x-who)%', default_value: 'other', address_matcher: LOOPBACK },
      }),
    }),
  ),
  route(
    '/foreign',
    limit('foreign', {
      token_bucket: bucket(9),
      descriptors: [{ entries: entries(['k', 'a']), token_bucket: bucket(1) }],
      rate_limits: actions({
        remote_address_match: {
          descriptor_key: 'k',
          descriptor_value: 'a',
          address_matcher: { ...LOOPBACK, invert_match: true },
        },
      }),
    }),
  ),
  TO_BACKEND,
];

/** The same request so many times. */
const times = (count: number, one: Omit<TwinCase, 'name'> & { readonly name: string }, last: TwinCase['want'] = {}) =>
  Array.from(
    { length: count },
    (_, i): TwinCase => ({
      ...one,
      name: `${one.name}: ${i + 1}`,
      want: i === count - 1 ? last : { status: 200 },
    }),
  );

/** One request after the other, by what the header x-who says. */
const by = (name: string, path: string, values: readonly (string | undefined)[]) =>
  values.map(
    (value, i): TwinCase => ({
      name: `${name}: ${i + 1}`,
      send: { path, headers: value === undefined ? [] : [['x-who', value]] },
    }),
  );

const CASES: readonly TwinCase[] = [
  ...times(
    2,
    { name: 'one token', send: { path: '/one' } },
    {
      status: 429,
      body: 'local_rate_limited',
      log: '429 local_rate_limited RL',
      upstream: 0,
    },
  ),
  ...times(2, { name: 'without headers', send: { path: '/plain' } }, { status: 429 }),
  ...times(2, { name: 'status and headers', send: { path: '/status' } }, { status: 503 }),
  ...times(2, { name: 'a status that is no error', send: { path: '/low' } }, { status: 429 }),
  ...times(
    2,
    { name: 'gRPC, exhausted', send: { method: 'POST', path: '/exhausted', headers: GRPC } },
    {
      headers: { 'grpc-status': '8' },
    },
  ),
  ...times(
    2,
    { name: 'gRPC', send: { method: 'POST', path: '/grpc', headers: GRPC } },
    { headers: { 'grpc-status': '14' } },
  ),
  ...times(2, { name: 'not enabled', send: { path: '/disabled' } }, { status: 200 }),
  ...times(2, { name: 'not enforced', send: { path: '/shadow' } }, { status: 200 }),
  ...times(2, { name: 'descriptor', send: { path: '/by-header', headers: [['x-who', 'a']] } }, { status: 429 }),
  ...times(
    2,
    { name: 'descriptors of two entries', send: { path: '/by-header', headers: [['x-who', 'b']] } },
    { status: 200 },
  ),
  { name: 'descriptors, and then what is for all', send: { path: '/by-header' }, want: { status: 429 } },
  ...times(3, { name: 'only the descriptor', send: { path: '/own-only' } }, { status: 429 }),
  ...times(2, { name: 'rules of the virtual host', send: { path: '/host' } }, { status: 429 }),
  ...times(2, { name: 'rules of the virtual host ignored', send: { path: '/ignore' } }, { status: 200 }),
  ...times(2, { name: 'rules of the virtual host as well', send: { path: '/include' } }, { status: 429 }),
  ...times(3, { name: 'rules of a stage', send: { path: '/stage' } }, { status: 429 }),
  ...times(2, { name: 'each connection', send: { path: '/connection' } }, { status: 200 }),
  ...by('a bucket for each value, for two at a time', '/wild', ['a', 'b', 'a', 'c', 'a', 'b', '', undefined]),
  ...by('a value with a bucket of its own', '/beside', ['a', 'z', 'a']),
  ...by('a value among several', '/pair', ['a', 'b', 'a', undefined]),
  ...by('values that the route reads', '/route-wild', ['a', 'a', 'b']),
  ...times(2, { name: 'rules of the filter instead of the route', send: { path: '/own' } }, { status: 429 }),
  ...times(
    2,
    { name: 'when to try again', send: { path: '/retry' } },
    { status: 429, headers: { 'retry-after': /^(1000|999)$/ } },
  ),
  ...by('a limit in shadow mode', '/shade', ['a', 'a', 'a', 'b']),
  ...by('three at once', '/hits', ['a', 'a', 'b']),
  ...by('none at once', '/no-hits', ['a', 'a']),
  ...['2', '2', 'x', '', '-1', '99999999999'].map(
    (count): TwinCase => ({
      name: `as many as the client says: ${count}`,
      send: {
        path: '/given-hits',
        headers: [
          ['x-who', 'a'],
          ['x-hits', count],
        ],
      },
    }),
  ),
  ...by('tokens that come back', '/back', ['a']),
  { name: 'tokens that come back: here', send: { path: '/back', headers: [['x-back', 'a']] } },
  ...by('tokens that came back', '/back', ['a', 'a']),
  ...by('headers as the rule wants them', '/told', ['a', undefined]),
  ...by('no headers as the rule wants it', '/untold', ['a', undefined]),
  ...by('no headers as the rule of the route wants it', '/route-untold', ['a']),
  ...by('rules about the end of streams', '/done', ['a', 'a']),
  ...['?q=a%20b', '?q=a+b', '?q=1&q=2', '?q=1', '?q=2', '?q', '?q=', '', '?r=1'].map(
    (query): TwinCase => ({ name: `a query parameter: ${query}`, send: { path: `/query${query}` } }),
  ),
  ...by('addresses', '/address', ['a', undefined]),
  ...by('other addresses', '/foreign', ['a', 'a']),
  ...times(3, { name: 'the filter itself', listener: 'own' }, { status: 429 }),
  { name: 'no bucket', listener: 'empty' },
  {
    name: 'switched off by a route',
    listener: 'own',
    send: { path: '/off' },
    want: { status: 200 },
  },
];

/** What comes back when a TCP client sends a line. */
async function firstLine(port: number): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.on('connect', () => socket.end('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'));
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString('latin1').slice(0, 12);
}

test('local rate limits as Envoy keeps them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'own', 'empty', 'tcp', 'keyed'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            filters: [named(NAME, TYPE, { stat_prefix: 'main' })],
            routes: ROUTES,
            virtualHost: { rate_limits: actions({ generic_key: { descriptor_value: 'host' } }) },
          }),
          httpListener('own', {
            port: env.port('own'),
            log: env.log('own'),
            filters: [named(NAME, TYPE, limit('own', { token_bucket: bucket(2), ...HEADERS }))],
            routes: [
              {
                match: { prefix: '/off' },
                route: { cluster: 'backend' },
                typed_per_filter_config: {
                  [NAME]: any('envoy.config.route.v3.FilterConfig', { disabled: true }),
                },
              },
              TO_BACKEND,
            ],
          }),
          httpListener('empty', {
            port: env.port('empty'),
            log: env.log('empty'),
            filters: [named(NAME, TYPE, limit('empty', {}))],
          }),
          ...['tcp', 'keyed'].map((name) =>
            tcpListener(name, {
              port: env.port(name),
              log: env.log(name),
              filters: [
                named('envoy.filters.network.local_ratelimit', 'network.local_ratelimit.v3.LocalRateLimit', {
                  stat_prefix: name,
                  token_bucket: bucket(2),
                }),
              ],
            }),
          ),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);

  await t.test('a connection has a limit of its own', async () => {
    const request = 'GET /connection HTTP/1.1\r\nhost: a\r\n\r\n';
    const answers = async (twin: Twin) => {
      const first = await exchange(twin.env.port('main'), [request], {});
      const socket = net.connect(twin.env.port('main'), '127.0.0.1');
      const statuses = (await keepAlive(socket, [request, request, request])).join(' ');
      socket.destroy();
      return [first.status, statuses];
    };
    const wanted = await answers(twins.envoy);
    assert.deepEqual(wanted, [200, '200 429 429']);
    assert.deepEqual(await answers(twins.isthmus), wanted);
  });

  await t.test('connections', async () => {
    const answers = async (twin: Twin) => {
      const seen: string[] = [];
      for (let i = 0; i < 3; i++) seen.push(await firstLine(twin.env.port('tcp')));
      return [seen, await twin.logLines('tcp', 3)];
    };
    const wanted = await answers(twins.envoy);
    assert.deepEqual(wanted[0], ['HTTP/1.1 200', 'HTTP/1.1 200', '']);
    assert.deepEqual(await answers(twins.isthmus), wanted);
  });

  await t.test('statistics', async () => {
    const stats = async (twin: Twin) => (await twin.admin('/stats?filter=local_rate')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});

/** Statuses of requests that go one after the other over one connection. */
async function keepAlive(socket: net.Socket, requests: readonly string[]): Promise<string[]> {
  const statuses: string[] = [];
  for (const request of requests) {
    const answer = new Promise<Buffer>((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk)));
    socket.write(request);
    statuses.push((await answer).toString('latin1').slice(9, 12));
  }
  return statuses;
}
