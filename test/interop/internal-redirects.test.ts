import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named } from '../support/envoy-config.ts';
import { type BackendHandler, encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type RequestSpec, type Twin, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/**
 * Redirects that a proxy follows in place of the client. The backend redirects to what the path says:
 * `/plain?302=URL`.
 */

const backend: BackendHandler = (request) => {
  const target = decodeURIComponent(request.startLine.split(' ')[1]);
  const redirect = /\?(\d+)=(.*)$/.exec(target);
  const answer: [string, string][] = [['x-copy', 'copied']];
  if (redirect === null) return encodeMessage('HTTP/1.1 200 OK', answer, `said ${request.body.toString('latin1')}`);
  return encodeMessage(`HTTP/1.1 ${redirect[1]} Moved`, [['location', redirect[2]], ...answer], 'moved');
};

const predicate = (name: string, type: string, fields: JsonObject = {}) => ({
  predicates: [
    named(
      `envoy.internal_redirect_predicates.${name}`,
      `envoy.extensions.internal_redirect.${name}.v3.${type}`,
      fields,
    ),
  ],
});
const route = (name: string, policy?: JsonObject, fields: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  name,
  match: { prefix: `/${name}` },
  route: { cluster: 'backend', ...(policy && { internal_redirect_policy: policy }), ...fields },
  ...more,
});

const ROUTES: readonly JsonObject[] = [
  route('plain', {}),
  route('two', { max_internal_redirects: 2 }),
  route('codes', { redirect_response_codes: [301, 303, 307, 308] }),
  route('cross', { allow_cross_scheme_redirect: true }),
  route('safe', { allow_cross_scheme_redirect: true, ...predicate('safe_cross_scheme', 'SafeCrossSchemeConfig') }),
  route('copy', { response_headers_to_copy: ['x-copy', 'X-Absent'] }),
  route('new', { max_internal_redirects: 5, ...predicate('previous_routes', 'PreviousRoutesConfig') }),
  route(
    'listed',
    predicate('allow_listed_routes', 'AllowListedRoutesConfig', { allowed_route_names: ['target', 'direct'] }),
  ),
  route('target'),
  route(
    'rewritten',
    {},
    { prefix_rewrite: '/done', host_rewrite_literal: 'done.test' },
    {
      request_headers_to_add: [{ header: { key: 'x-route', value: 'rewritten' } }],
      response_headers_to_add: [{ header: { key: 'x-of', value: 'the first route' } }],
    },
  ),
  route('again', {}, { retry_policy: { retry_on: '5xx' } }),
  route('small', {}, {}, { per_request_buffer_limit_bytes: 100 }),
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 202, body: { inline_string: 'direct' } } },
  { name: 'moved', match: { prefix: '/moved' }, redirect: { path_redirect: '/elsewhere' } },
];

const HERE = 'http://example.com';
const to = (path: string, location: string, status = 302) => `${path}?${status}=${encodeURIComponent(location)}`;
/** A request that is redirected so many times. */
const hops = (count: number, path: string, more: Omit<RequestSpec, 'path'> = {}): TwinCase => ({
  name: `${more.method ?? 'GET'} ${path.slice(0, 60)}`,
  send: { path, ...more },
  lines: count + 1,
});
const post = (body: string) => ({ method: 'POST', body });

const CASES: readonly TwinCase[] = [
  hops(1, to('/plain', `${HERE}/target`)),
  hops(1, to('/plain', `${HERE}/target`), post('hello')),
  hops(1, to('/plain', `${HERE}/target`), post('x'.repeat(100_000))),
  hops(1, to('/plain', `${HERE}/target?x=1#fragment`)),
  hops(1, to('/plain', 'http://other.test:81/target')),
  hops(1, to('/plain', 'http://somebody@example.com/target')),
  hops(1, to('/plain', 'HTTP://example.com/target')),
  hops(0, to('/plain', '/target')),
  hops(0, to('/plain', '')),
  hops(0, to('/plain', HERE)),
  hops(0, to('/plain', `${HERE}?x`)),
  hops(0, to('/plain', 'https://example.com/target')),
  hops(0, to('/plain', 'ftp://example.com/target')),
  hops(0, to('/plain', `${HERE}/nowhere`)),
  hops(1, to('/plain', `${HERE}/direct`)),
  hops(1, to('/plain', `${HERE}/moved`)),
  hops(2, to('/two', `${HERE}${to('/two', `${HERE}/target`)}`)),
  hops(2, to('/two', `${HERE}${to('/two', `${HERE}${to('/two', `${HERE}/target`)}`)}`)),
  hops(1, to('/plain', `${HERE}${to('/plain', `${HERE}/target`)}`)),
  hops(2, to('/two', `${HERE}${to('/two', `${HERE}/target`)}`), post('twice')),
  ...[301, 303, 307, 308].flatMap((status) => [
    hops(1, to('/codes', `${HERE}/target`, status), post('hello')),
    hops(1, to('/codes', `${HERE}/target`, status), { method: 'HEAD' }),
  ]),
  hops(0, to('/codes', `${HERE}/target`, 302)),
  hops(1, to('/cross', 'https://example.com/target')),
  hops(0, to('/safe', 'https://example.com/target')),
  hops(1, to('/safe', `${HERE}/target`)),
  hops(1, to('/copy', `${HERE}/target`), {
    headers: [
      ['x-absent', 'mine'],
      ['x-copy', 'mine'],
    ],
  }),
  hops(0, to('/copy', `${HERE}/nowhere`), { headers: [['x-absent', 'mine']] }),
  hops(3, to('/new', `${HERE}${to('/two', `${HERE}${to('/new', `${HERE}/target`)}`)}`)),
  hops(1, to('/new', `${HERE}${to('/new', `${HERE}${to('/new', `${HERE}/target`)}`)}`)),
  hops(1, to('/listed', `${HERE}/target`)),
  hops(1, to('/listed', `${HERE}/direct`)),
  hops(0, to('/listed', `${HERE}/two`)),
  hops(1, to('/rewritten', `${HERE}/target`)),
  hops(1, to('/again', `${HERE}/target`), post('again')),
  hops(1, to('/small', `${HERE}/target`), post('x'.repeat(50))),
  hops(0, to('/small', `${HERE}/target`), post('x'.repeat(500))),
  hops(1, to('/plain', `${HERE}/target`), {
    headers: [
      ['x-envoy-original-url', 'x'],
      ['x-forwarded-for', '192.0.2.1'],
    ],
  }),
  {
    name: 'chunks and trailers',
    send: [
      `POST ${to('/plain', `${HERE}/target`)} HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n`,
      '3\r\nabc\r\n',
      '0\r\nx-t: 1\r\n\r\n',
    ],
    lines: 2,
  },
];

const appended = (name: string) => ({
  append: { header: { key: name, value: '1' }, append_action: 'APPEND_IF_EXISTS_OR_ADD' },
});

test('redirects are followed as Envoy follows them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => ({ backend }),
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: ROUTES,
            // Filters see the request each time, and a response only once.
            filters: [
              named('envoy.filters.http.header_mutation', 'http.header_mutation.v3.HeaderMutation', {
                mutations: { request_mutations: [appended('x-passed')], response_mutations: [appended('x-returned')] },
              }),
              named('envoy.filters.http.fault', 'http.fault.v3.HTTPFault'),
            ],
            manager: { generate_request_id: true, preserve_external_request_id: true },
            logFormat: [
              '%ROUTE_NAME% %REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-URL)%',
              '%UPSTREAM_REQUEST_ATTEMPT_COUNT% %BYTES_RECEIVED% %PROTOCOL% %UPSTREAM_CLUSTER% %RESP(LOCATION)%',
              '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %VIRTUAL_CLUSTER_NAME%',
            ].join(' '),
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('a request keeps its id', async () => {
    const ids = async (twin: Twin) => {
      const port = twin.env.port('main');
      const path = to('/plain', `${HERE}/target`);
      await fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-request-id': 'mine' } });
      await twin.logLines('main', 2);
      return twin.backends
        .get('backend')!
        .take()
        .map(({ headers }) => headers.find(([n]) => n === 'x-request-id')?.[1]);
    };
    assert.deepEqual(await ids(twins.envoy), ['mine', 'mine']);
    assert.deepEqual(await ids(twins.isthmus), ['mine', 'mine']);
  });
  await t.test('statistics', async () => {
    const stats = async (twin: Twin) =>
      (
        await twin.admin(
          '/stats?filter=^(http\\.main\\.(.*redirect|downstream_rq_(total|completed|.xx|http1|active)|rq_)|cluster.backend.upstream_rq_?(internal_redirect|total|completed|.xx|3..|200|active|rx_reset|tx_reset|cancelled)|cluster.backend.upstream_internal)',
        )
      )
        .split('\n')
        .sort();
    const wanted = await stats(twins.envoy);
    assert.ok(wanted.includes('http.main.passthrough_internal_redirect_predicate: 3'), wanted.join('\n'));
    assert.deepEqual(await stats(twins.isthmus), wanted);
  });
});
