import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { any, cluster, fileLog, httpListener } from '../support/envoy-config.ts';
import { exchange } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Expressions that access logs are filtered by: each has a log of its own, and Envoy says what belongs into it. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  code: 'response.code >= 400',
  equal: 'response.code == 200',
  method: "request.method == 'POST'",
  path: "request.path.startsWith('/a')",
  url_path: "request.url_path == '/a' && request.query == 'x=1'",
  host: "request.host in ['example.com', 'other.test']",
  header: "request.headers['x-user'] == 'ann'",
  joined: "request.headers['x-many'] == 'a,b'",
  has: "has(request.headers) && 'x-user' in request.headers",
  absent: "!('x-user' in request.headers)",
  has_useragent: 'has(request.useragent)',
  size: 'request.size > 3',
  total: 'request.total_size > 0 && response.total_size > 0',
  body: 'response.size == 0',
  protocol: "request.protocol == 'HTTP/1.1'",
  matches: "request.path.matches('^/[ab]')",
  partial: "request.path.matches('b')",
  ternary: "(request.method == 'POST' ? response.code : 200) == 404",
  or_error: "request.headers['x-user'] == 'ann' || response.code == 404",
  and_error: "request.headers['x-user'] == 'ann' && response.code == 200",
  details: "response.code_details == 'via_upstream'",
  mtls: '!connection.mtls',
  address: "source.address.startsWith('127.0.0.1:') && source.port > 0",
  route: "xds.route_name == 'found'",
  cluster: "xds.cluster_name == 'backend'",
  metadata: "xds.cluster_metadata.filter_metadata['team'].name == 'blue'",
  route_metadata: "xds.route_metadata.filter_metadata['team']['size'] > 2.5",
  node: "xds.node.id == 'one'",
  upstream: "upstream.address.startsWith('127.0.0.1:')",
  time: "request.time > timestamp('2020-01-01T00:00:00Z')",
  duration: "request.duration < duration('1h')",
  arithmetic: 'response.code / 100 * 100 + response.code % 100 == response.code',
  number: "int(request.headers['x-number']) > 9",
  nothing: "filter_state['nobody'] == 'x'",
};

const NAMES = Object.keys(EXPRESSIONS);
const REQUESTS: readonly [name: string, ...Parameters<typeof requestBytes>][] = [
  ['plain', {}],
  ['a', { path: '/a?x=1', headers: [['x-user', 'ann']] }],
  [
    'post',
    {
      method: 'POST',
      path: '/b',
      body: 'four',
      headers: [
        ['x-user', 'bob'],
        ['user-agent', 'me'],
      ],
    },
  ],
  ['nowhere', { path: '/nowhere' }],
  [
    'posted nowhere',
    {
      method: 'POST',
      path: '/nowhere',
      body: 'x',
      headers: [
        ['x-many', 'a'],
        ['x-many', 'b'],
      ],
    },
  ],
  [
    'number',
    {
      path: '/a',
      headers: [
        ['x-number', '10'],
        ['host', 'third.test'],
      ],
    },
  ],
  ['no number', { path: '/a', headers: [['x-number', 'ten']] }],
];

test('expressions choose what Envoy would log', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      node: { id: 'one', cluster: 'c' },
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: [
              { match: { path: '/nowhere' }, name: 'nowhere', direct_response: { status: 404 } },
              {
                match: { prefix: '/' },
                name: 'found',
                route: { cluster: 'backend' },
                metadata: { filter_metadata: { team: { size: 3 } } },
              },
            ],
            manager: {
              access_log: [...NAMES, 'main'].map((name) => ({
                ...fileLog(env.log(name), '%REQ(X-NAME)%'),
                ...(name !== 'main' && {
                  filter: {
                    extension_filter: {
                      name: 'cel',
                      typed_config: any('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', {
                        expression: EXPRESSIONS[name],
                      }),
                    },
                  },
                }),
              })),
            },
          }),
        ],
        clusters: [
          cluster('backend', env.backend('backend'), {
            metadata: { filter_metadata: { team: { name: 'blue' } } },
          }),
        ],
      },
    }),
  });
  const logged = async (twin: Twin) => {
    for (const [name, { headers = [], ...request }] of REQUESTS) {
      await exchange(twin.env.port('main'), [requestBytes({ ...request, headers: [...headers, ['x-name', name]] })]);
    }
    // The log without a filter comes last, and so after all others of the last request.
    await twin.logLines('main', REQUESTS.length);
    return Object.fromEntries(
      NAMES.map((name) => {
        const file = twin.env.log(name);
        return [name, fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : []];
      }),
    );
  };
  const [envoy, isthmus] = [await logged(twins.envoy), await logged(twins.isthmus)];
  for (const name of NAMES) assert.deepEqual(isthmus[name], envoy[name], EXPRESSIONS[name]);
  const distinct = new Set(Object.values(envoy).map((lines) => lines.join()));
  assert.ok(distinct.size > 8, 'the expressions tell requests apart');
});
