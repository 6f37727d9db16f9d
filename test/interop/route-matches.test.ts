import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Matches by cookies and filter state, and paths, hosts and redirects that are made of formats. */

const marked = (name: string, match: JsonObject): JsonObject => ({
  name,
  match: { prefix: '/', ...match },
  direct_response: { status: 200, body: { inline_string: name } },
});
const cookie = (fields: JsonObject): JsonObject => ({ cookies: [{ name: 'session', ...fields }] });
const state = (value: string): JsonObject => ({ filter_state: [{ key: 'my.key', string_match: { exact: value } }] });
const forward = (prefix: string, fields: JsonObject): JsonObject => ({
  match: { prefix },
  route: { cluster: 'backend', ...fields },
});
const redirect = (prefix: string, fields: JsonObject): JsonObject => ({ match: { prefix }, redirect: fields });

const LISTENERS: Readonly<Record<string, readonly JsonObject[]>> = {
  cookies: [
    marked('prefixed', cookie({ string_match: { prefix: 'a' } })),
    marked('two', {
      cookies: [
        { name: 'session', string_match: { exact: 'b' } },
        { name: 'other', string_match: { exact: '1' } },
      ],
    }),
    marked('inverted', cookie({ string_match: { exact: 'c' }, invert_match: true })),
    marked('none', {}),
  ],
  state: [marked('one', state('one')), marked('two', state('two')), marked('none', {})],
  rewrites: [
    forward('/path', { path_rewrite: '/new/%REQ(X-A)%/%REQ(:PATH)%' }),
    forward('/constant', { path_rewrite: '/always' }),
    forward('/query', { path_rewrite: '/new?own=1' }),
    forward('/empty', { path_rewrite: '%REQ(X-NONE)%' }),
    forward('/relative', { path_rewrite: 'relative' }),
    forward('/host', { host_rewrite: '%REQ(X-A)%.test' }),
    forward('/append', { host_rewrite: 'h.test', append_x_forwarded_host: true }),
    forward('/no-host', { host_rewrite: '%REQ(X-NONE)%' }),
    redirect('/redirect', { path_rewrite: '/to/%REQ(X-A)%' }),
    redirect('/strip', { path_rewrite: '/to/%REQ(X-A)%', strip_query: true }),
    redirect('/redirect-query', { path_rewrite: '/to?own=1', host_redirect: 'r.test' }),
  ],
};

const STATE = named('state', 'http.set_filter_state.v3.Config', {
  on_request_headers: [
    {
      object_key: 'my.key',
      factory_key: 'envoy.string',
      format_string: { text_format_source: { inline_string: '%REQ(X-STATE)%' } },
    },
  ],
  clear_route_cache: true,
});

const request = (listener: string, path: string, headers: [string, string][] = []): TwinCase => ({
  name: `${listener}: ${path} ${JSON.stringify(headers)}`,
  listener,
  send: { path, headers },
});
const COOKIES: readonly [string, string][][] = [
  [],
  [['cookie', 'session=abc']],
  [['cookie', 'x=1; session="abc"']],
  [['cookie', 'session=b; other=1']],
  [['cookie', 'session=b; other=2']],
  [
    ['cookie', 'session=b'],
    ['cookie', 'other=1'],
  ],
  [['cookie', 'session=c']],
  [['cookie', 'session=c; session=a']],
  [['cookie', 'session=a; session=c']],
  [['cookie', 'Session=a']],
  [['cookie', 'session = a']],
  [['cookie', 'session']],
  [['cookie', 'session=']],
  [['cookie', 'session=a=b']],
];
const A: [string, string] = ['x-a', 'v'];

const CASES: readonly TwinCase[] = [
  ...COOKIES.map((headers) => request('cookies', '/', headers)),
  request('state', '/'),
  request('state', '/', [['x-state', 'one']]),
  request('state', '/', [['x-state', 'two']]),
  request('state', '/', [['x-state', 'three']]),
  ...[
    '/path',
    '/path/more?a=b',
    '/constant',
    '/constant?a=b',
    '/query',
    '/query?a=b',
    '/empty?a',
    '/host',
    '/append',
    '/no-host',
    '/redirect',
    '/redirect/more?a=b',
    '/strip?a=b',
    '/redirect-query?a=b',
  ].flatMap((path) => [request('rewrites', path, [A]), request('rewrites', path)]),
];

test('matches and rewrites as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(LISTENERS),
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(LISTENERS).map(([name, routes]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters: name === 'state' ? [STATE] : [],
            routes,
          }),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
});
