import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const NAME = 'envoy.filters.http.header_mutation';
const append = (key: string, value: string, append_action = 'APPEND_IF_EXISTS_OR_ADD', more: JsonObject = {}) => ({
  append: { header: { key, value }, append_action, ...more },
});
const remove = (name: string) => ({ remove: name });
const mutations = (request: JsonObject[], response: JsonObject[] = []): JsonObject => ({
  mutations: { request_mutations: request, response_mutations: response },
});
const perRoute = (fields: JsonObject) => ({
  typed_per_filter_config: { [NAME]: any('http.header_mutation.v3.HeaderMutationPerRoute', fields) },
});

const OWN = mutations(
  [
    append('x-a', 'filter'),
    remove('x-gone'),
    append('x-gone', 'again %REQ(x-a)%'),
    append('x-new', 'if none', 'ADD_IF_ABSENT'),
    append('x-old', 'if any', 'OVERWRITE_IF_EXISTS'),
    append('x-empty', '%REQ(x-none)%'),
    append('x-kept', '', 'OVERWRITE_IF_EXISTS_OR_ADD', { keep_empty_value: true }),
    append('x-late', 'late'),
    remove('x-late'),
  ],
  [append('x-r', 'filter %RESPONSE_CODE%'), remove('x-backend')],
);
const wins = (value: string) =>
  perRoute(mutations([append('x-a', value, 'OVERWRITE_IF_EXISTS_OR_ADD')], [append('x-r', value)]));

const TRAILERS: JsonObject = {
  mutations: {
    request_trailers_mutations: [append('x-t', '2'), append('x-more', '%REQ(:METHOD)%'), remove('x-gone')],
    response_trailers_mutations: [
      append('x-u', '%RESPONSE_CODE%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      { remove_on_match: { key_matcher: { prefix: 'x-drop' } } },
    ],
  },
};

const HEADERS: readonly (readonly [string, string])[] = [
  ['host', 'example.com'],
  ['x-a', '0'],
  ['x-gone', '1'],
  ['x-old', '2'],
  ['x-new', '3'],
];
const CASES: readonly TwinCase[] = [
  {
    name: 'by the filter',
    send: { headers: HEADERS },
    want: { status: 200, headers: { 'x-r': /^filter 200/, 'x-backend': undefined } },
  },
  { name: 'with nothing to change', send: {} },
  { name: 'route and virtual host', send: { path: '/route', headers: HEADERS } },
  {
    name: 'route and virtual host, the most specific wins',
    listener: 'specific',
    send: { path: '/route', headers: HEADERS },
  },
  { name: 'an answer of the proxy', send: { path: '/direct' }, want: { status: 418 } },
  {
    name: 'trailers',
    listener: 'trailers',
    send: [
      'POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\nx-gone: 1\r\n\r\n',
    ],
    answer:
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-u: 1\r\nx-drop-1: 1\r\nx-drop-2: 1\r\n\r\n',
  },
  { name: 'no route', send: { path: '/route', headers: [['host', 'unknown']] } },
];

test('header mutation, ours and Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'specific', 'trailers'],
    bootstrap: (env) => ({
      static_resources: {
        clusters: [
          cluster('backend', env.backend('backend'), {
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
                'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
                { explicit_http_config: { http_protocol_options: { enable_trailers: true } } },
              ),
            },
          }),
        ],
        listeners: ['main', 'specific', 'trailers'].map((name) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            manager: { http_protocol_options: { enable_trailers: true } },
            filters: [
              named(NAME, 'http.header_mutation.v3.HeaderMutation', {
                ...(name === 'trailers' ? TRAILERS : OWN),
                most_specific_header_mutations_wins: name === 'specific',
              }),
            ],
            virtualHost: { domains: ['example.com'], ...wins('host') },
            routes: [
              { match: { prefix: '/direct' }, direct_response: { status: 418 } },
              { match: { prefix: '/route' }, route: { cluster: 'backend' }, ...wins('route') },
              { match: { prefix: '/' }, route: { cluster: 'backend' } },
            ],
          }),
        ),
      },
    }),
  });
  await compare(t, twins, CASES);
});
