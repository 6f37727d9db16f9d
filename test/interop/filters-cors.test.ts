import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, percent, TO_BACKEND } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const policy = (fields: JsonObject) => ({ 'envoy.filters.http.cors': any('http.cors.v3.CorsPolicy', fields) });
const route = (prefix: string, fields: JsonObject) => ({
  match: { prefix },
  route: { cluster: 'backend' },
  typed_per_filter_config: policy(fields),
});

const EXACT = { allow_origin_string_match: [{ exact: 'http://a.example' }] };
const FULL: JsonObject = {
  allow_origin_string_match: [
    { exact: 'http://a.example' },
    { prefix: 'https://b.' },
    { safe_regex: { regex: 'https://.*\\.c\\.example' } },
  ],
  allow_methods: 'GET,POST',
  allow_headers: 'x-one,x-two',
  expose_headers: 'x-three',
  max_age: '600',
  allow_credentials: true,
};

const origin = (value: string, more: [string, string][] = []): [string, string][] => [['origin', value], ...more];
const ASKS: [string, string][] = [['access-control-request-method', 'PUT']];

function preflight(
  name: string,
  path: string,
  from: string,
  want: TwinCase['want'],
  more: [string, string][] = [],
): TwinCase {
  return { name, send: { method: 'OPTIONS', path, headers: origin(from, [...ASKS, ...more]) }, want };
}

const CASES: readonly TwinCase[] = [
  preflight('preflight of an allowed origin', '/full', 'http://a.example', {
    status: 200,
    upstream: 0,
    log: /^200 cors_response/,
    headers: {
      'access-control-allow-origin': 'http://a.example',
      'access-control-allow-methods': 'GET,POST',
      'access-control-allow-headers': 'x-one,x-two',
      'access-control-max-age': '600',
      'access-control-allow-credentials': 'true',
    },
  }),
  preflight('preflight by prefix', '/full', 'https://b.example', { upstream: 0 }),
  preflight('preflight by regular expression', '/full', 'https://x.c.example', { upstream: 0 }),
  preflight('preflight of another origin goes on', '/full', 'http://evil.example', {
    upstream: 1,
    headers: { 'access-control-allow-origin': undefined },
  }),
  preflight('preflight of another origin that is not to go on', '/stop', 'http://evil.example', {
    upstream: 0,
    log: /^200 cors_response/,
  }),
  preflight('preflight of an allowed origin where others stop', '/stop', 'http://a.example', { upstream: 0 }),
  preflight('any origin', '/star', 'http://who.example', {
    headers: { 'access-control-allow-origin': 'http://who.example' },
  }),
  preflight('an empty policy takes the rest from the virtual host', '/inherit', 'http://host.example', {
    headers: { 'access-control-allow-methods': 'DELETE', 'access-control-allow-headers': 'x-own' },
  }),
  preflight('policy of the virtual host alone', '/', 'http://host.example', {
    headers: { 'access-control-allow-methods': 'DELETE' },
  }),
  preflight(
    'private network',
    '/private',
    'http://a.example',
    {
      headers: { 'access-control-allow-private-network': 'true' },
    },
    [['access-control-request-private-network', 'true']],
  ),
  preflight('private network that was not asked for', '/private', 'http://a.example', {
    headers: { 'access-control-allow-private-network': undefined },
  }),
  preflight(
    'private network that is not allowed',
    '/full',
    'http://a.example',
    {
      headers: { 'access-control-allow-private-network': undefined },
    },
    [['access-control-request-private-network', 'true']],
  ),
  preflight(
    'whatever is asked for',
    '/ask',
    'http://a.example',
    {
      headers: { 'access-control-allow-methods': 'PUT', 'access-control-allow-headers': 'x-q' },
    },
    [['access-control-request-headers', 'x-q']],
  ),
  preflight('no answer of ours: the cluster is missing', '/missing', 'http://evil.example', { status: 503 }),
  preflight('switched off', '/off', 'http://a.example', { upstream: 1 }),
  preflight('shadow only', '/shadow', 'http://a.example', { upstream: 1 }),
  preflight('origin in other case', '/full', 'HTTP://A.example', { upstream: 1 }),
  {
    name: 'OPTIONS without a method to ask for is an ordinary request',
    send: { method: 'OPTIONS', path: '/full', headers: origin('http://a.example') },
    want: { upstream: 1, headers: { 'access-control-allow-origin': 'http://a.example' } },
  },
  {
    name: 'ordinary request',
    send: { path: '/full', headers: origin('http://a.example') },
    want: {
      upstream: 1,
      headers: {
        'access-control-allow-origin': 'http://a.example',
        'access-control-expose-headers': 'x-three',
        'access-control-allow-methods': undefined,
      },
    },
  },
  {
    name: 'ordinary request of another origin',
    send: { path: '/full', headers: origin('http://evil.example') },
    want: { headers: { 'access-control-allow-origin': undefined } },
  },
  {
    name: 'an answer of ours has the headers too',
    send: { path: '/missing', headers: origin('http://a.example') },
    want: { status: 503, headers: { 'access-control-allow-origin': 'http://a.example' } },
  },
  { name: 'no origin', send: { path: '/full' }, want: { headers: { 'access-control-allow-origin': undefined } } },
  { name: 'empty origin', send: { path: '/full', headers: origin('') } },
  {
    name: 'two origins',
    send: { path: '/full', headers: [...origin('http://a.example'), ...origin('http://a.example')] },
  },
  {
    name: "headers of the upstream's own are replaced",
    send: { path: '/full', headers: origin('http://a.example') },
    answer: encodeMessage('HTTP/1.1 200 OK', [
      ['access-control-allow-origin', '*'],
      ['access-control-expose-headers', 'x-up'],
      ['access-control-allow-credentials', 'false'],
      ['access-control-allow-methods', 'PATCH'],
      ['content-length', '0'],
    ]),
    want: { headers: { 'access-control-allow-origin': 'http://a.example' } },
  },
  {
    name: 'routes that answer by themselves have no policy',
    send: { path: '/direct', headers: origin('http://a.example') },
    want: { status: 403, headers: { 'access-control-allow-origin': undefined } },
  },
];

test('CORS as Envoy has it', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            filters: [named('envoy.filters.http.cors', 'http.cors.v3.Cors')],
            routeConfig: { validate_clusters: false },
            virtualHost: {
              typed_per_filter_config: policy({
                allow_origin_string_match: [{ exact: 'http://host.example' }],
                allow_methods: 'DELETE',
              }),
            },
            routes: [
              route('/full', FULL),
              route('/stop', { ...EXACT, forward_not_matching_preflights: false }),
              route('/star', { allow_origin_string_match: [{ exact: '*' }] }),
              route('/inherit', { allow_headers: 'x-own' }),
              route('/private', { ...EXACT, allow_private_network_access: true }),
              route('/ask', { ...EXACT, allow_methods: '*', allow_headers: '*' }),
              { ...route('/missing', EXACT), route: { cluster: 'missing' } },
              route('/off', { ...EXACT, filter_enabled: { default_value: percent(0) } }),
              route('/shadow', {
                ...EXACT,
                filter_enabled: { default_value: percent(0) },
                shadow_enabled: { default_value: percent(100) },
              }),
              {
                match: { prefix: '/direct' },
                direct_response: { status: 403, body: { inline_string: 'no' } },
                typed_per_filter_config: policy(EXACT),
              },
              TO_BACKEND,
            ],
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('statistics', async () => {
    const stats = async (twin: (typeof twins)['envoy']) => (await twin.admin('/stats?filter=cors')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
