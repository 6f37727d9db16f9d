import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, fileLog, httpListener, named, percent } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, type Twins, twinProxies } from '../support/twin-proxies.ts';

const share = (key: string, numerator: number): JsonObject => ({ runtime_key: key, default_value: percent(numerator) });

const respond = (body: string): JsonObject => ({ direct_response: { status: 200, body: { inline_string: body } } });

const BUCKET = { max_tokens: 1, tokens_per_fill: 1, fill_interval: '3600s' };

const ROUTES: readonly JsonObject[] = [
  { match: { prefix: '/fraction', runtime_fraction: share('routes.fraction', 0) }, ...respond('by runtime') },
  { match: { prefix: '/fraction' }, ...respond('by default') },
  {
    match: { prefix: '/weights' },
    route: {
      weighted_clusters: {
        runtime_key_prefix: 'weights',
        clusters: [
          { name: 'backend', weight: 100 },
          { name: 'other', weight: 0 },
        ],
      },
    },
  },
  {
    match: { prefix: '/mirror' },
    route: {
      cluster: 'backend',
      request_mirror_policies: [{ cluster: 'other', runtime_fraction: share('routes.mirror', 0) }],
    },
  },
  {
    match: { prefix: '/cors' },
    route: { cluster: 'backend' },
    typed_per_filter_config: {
      'envoy.filters.http.cors': any('http.cors.v3.CorsPolicy', {
        allow_origin_string_match: [{ exact: 'http://a.example' }],
        filter_enabled: share('cors.enabled', 0),
      }),
    },
  },
  {
    match: { prefix: '/limited' },
    route: { cluster: 'backend' },
    typed_per_filter_config: {
      'envoy.filters.http.local_ratelimit': any('http.local_ratelimit.v3.LocalRateLimit', {
        stat_prefix: 'limited',
        token_bucket: BUCKET,
        filter_enabled: share('limit.enabled', 0),
        filter_enforced: share('limit.enforced', 100),
      }),
    },
  },
  { match: { prefix: '/' }, route: { cluster: 'backend' } },
];

const FILTERS: readonly JsonObject[] = [
  named('envoy.filters.http.fault', 'http.fault.v3.HTTPFault', {
    abort: { http_status: 418, percentage: { numerator: 0 } },
    delay: { fixed_delay: '0.01s', percentage: { numerator: 0 } },
    abort_http_status_runtime: 'own.status',
  }),
  named('envoy.filters.http.cors', 'http.cors.v3.Cors'),
  named('envoy.filters.http.local_ratelimit', 'http.local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'all' }),
];

const get = (name: string, path: string, want: TwinCase['want'], headers: [string, string][] = []): TwinCase => ({
  name,
  send: { path, headers },
  want,
});

const ORIGIN: [string, string][] = [['origin', 'http://a.example']];
const FROM: [string, string][] = [['x-envoy-downstream-service-cluster', 'shop']];

/** What was changed, in order, and what is so after that. */
const STEPS: readonly { readonly change: string; readonly cases: readonly TwinCase[] }[] = [
  {
    change: '',
    cases: [
      get('a share of the static layer', '/', { status: 200 }),
      get('a route by its default', '/fraction', { body: 'by default' }),
      get('weights as configured', '/weights', { upstream: 1 }),
      get('no mirror', '/mirror', { upstream: 1 }),
      get('no CORS', '/cors', { headers: { 'access-control-allow-origin': undefined } }, ORIGIN),
      get('not limited', '/limited', { status: 200 }),
      get('nor the second', '/limited', { status: 200 }),
    ],
  },
  {
    change:
      'routes.fraction=100&weights.backend=0&weights.other=7&routes.mirror=100&cors.enabled=100&limit.enabled=100',
    cases: [
      get('a route by runtime', '/fraction', { body: 'by runtime' }),
      get('weights of runtime', '/weights', { upstream: 1 }),
      get('a mirror', '/mirror', { upstream: 2 }),
      get('CORS', '/cors', { headers: { 'access-control-allow-origin': 'http://a.example' } }, ORIGIN),
      get('the first takes the token', '/limited', { status: 200 }),
      get('the second is limited', '/limited', { status: 429 }),
    ],
  },
  {
    change: 'limit.enforced=0&routes.fraction={"numerator":0,"denominator":"MILLION"}&routes.mirror=',
    cases: [
      get('limited in name only', '/limited', { status: 200 }),
      get('a text is no share', '/fraction', {}),
      get('a key that was taken out', '/mirror', { upstream: 1 }),
    ],
  },
  {
    change: 'fault.http.abort.abort_percent=100',
    cases: [get('an abort', '/', { status: 418 }), get('not of a cluster', '/', { status: 200 }, FROM)],
  },
  {
    change: 'own.status=444&fault.http.shop.abort.abort_percent=100',
    cases: [get('with its status', '/', { status: 444 }), get('of a cluster', '/', {}, FROM)],
  },
  {
    change: 'fault.http.shop.abort.http_status=455&fault.http.abort.abort_percent=0',
    cases: [get('none', '/', { status: 200 }), get('of a cluster with a status of its own', '/', {}, FROM)],
  },
  {
    change: 'fault.http.shop.abort.abort_percent=0&fault.http.delay.fixed_delay_percent=100',
    cases: [
      get('a delay', '/', { log: /^200 via_upstream DI/ }),
      get('not of a cluster', '/', { log: /^200 via_upstream -/ }, FROM),
    ],
  },
  {
    change: 'fault.http.delay.fixed_duration_ms=0&log.sampled=100&log.least=500',
    cases: [get('a delay of nothing', '/', { log: /^200 via_upstream -/ })],
  },
];

const LAYERS: JsonObject[] = [
  { name: 'static', static_layer: { 'fault.http.abort.abort_percent': 0, routes: { fraction: 0 } } },
  { name: 'admin', admin_layer: {} },
];

async function change(twins: Twins, query: string): Promise<void> {
  if (query === '') return;
  for (const twin of [twins.envoy, twins.isthmus]) await twin.admin(`/runtime_modify?${query}`, 'POST');
}

test('what runtime says under a key goes before the configuration', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => ({
      backend: () => 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb',
      other: () => 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\no',
    }),
    bootstrap: (env) => ({
      layered_runtime: {
        layers: LAYERS,
      },
      static_resources: {
        listeners: [
          httpListener('main', { port: env.port('main'), log: env.log('main'), filters: FILTERS, routes: ROUTES }),
        ],
        clusters: [cluster('backend', env.backend('backend')), cluster('other', env.backend('other'))],
      },
    }),
  });
  for (const { change: query, cases } of STEPS) {
    await change(twins, query);
    await compare(t, twins, cases);
  }
});

test('lines of the access log by runtime', { skip: withoutReference }, async (t) => {
  const sampled = (log: string, key: string) => ({
    ...fileLog(log, '%REQ(:PATH)% sampled'),
    filter: { runtime_filter: { runtime_key: key, percent_sampled: percent(0) } },
  });
  const least = (log: string, key: string) => ({
    ...fileLog(log, '%REQ(:PATH)% status'),
    filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 500, runtime_key: key } } } },
  });
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      layered_runtime: { layers: [{ name: 'admin', admin_layer: {} }] },
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            manager: {
              access_log: [
                sampled(env.log('main'), 'log.sampled'),
                least(env.log('main'), 'log.least'),
                fileLog(env.log('main'), 'all'),
              ],
            },
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, [get('neither', '/1', { log: /^all/ })]);
  await change(twins, 'log.sampled=100');
  await compare(t, twins, [get('sampled', '/2', { log: /^\/2 sampled/ })]);
  await change(twins, 'log.sampled=0&log.least=200');
  await compare(t, twins, [get('by status', '/3', { log: /^\/3 status/ })]);
});
