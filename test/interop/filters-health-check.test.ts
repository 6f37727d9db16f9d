import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const check = (path: string, fields: JsonObject): JsonObject =>
  named(`envoy.filters.http.health_check`, 'http.health_check.v3.HealthCheck', {
    headers: [{ name: ':path', string_match: { exact: path } }],
    ...fields,
  });
const minimums = (percents: Readonly<Record<string, number>>): JsonObject => ({
  pass_through_mode: false,
  cluster_min_healthy_percentages: Object.fromEntries(
    Object.entries(percents).map(([name, value]) => [name, { value }]),
  ),
});

const FILTERS = [
  check('/here', { pass_through_mode: false }),
  check('/behind', { pass_through_mode: true }),
  check('/cached', { pass_through_mode: true, cache_time: '600s' }),
  check('/cached-degraded', { pass_through_mode: true, cache_time: '600s' }),
  check('/clusters', minimums({ backend: 50 })),
  check('/empty', minimums({ backend: 50, empty: 10 })),
  check('/empty-zero', minimums({ empty: 0 })),
  check('/unknown', minimums({ unknown: 0 })),
];
const unavailable = (text = 'no') => encodeMessage('HTTP/1.1 503 No', [], text).toString('latin1');
const degraded = encodeMessage('HTTP/1.1 200 OK', [['x-envoy-degraded', '']], 'so so').toString('latin1');

const get = (path: string, more: Partial<TwinCase> = {}): TwinCase => ({
  name: `GET ${path}`,
  send: { path },
  ...more,
});
const CASES: readonly TwinCase[] = [
  get('/here', { want: { status: 200, upstream: 0, log: /health_check_ok/ } }),
  { name: 'HEAD', send: { method: 'HEAD', path: '/here' } },
  { name: 'with a body', send: { method: 'POST', path: '/here', body: 'x'.repeat(1000) }, want: { upstream: 0 } },
  get('/here?', { want: { upstream: 1 } }),
  get('/other', { want: { upstream: 1 } }),
  get('/behind', { answer: unavailable(), want: { status: 503, upstream: 1 } }),
  get('/cached', { answer: unavailable(), want: { status: 503, upstream: 1 } }),
  get('/cached', { name: 'what it said before', want: { status: 503, upstream: 0, log: /health_check_cached LH/ } }),
  get('/cached-degraded', { answer: degraded }),
  get('/cached-degraded', { name: 'degraded before', want: { status: 200, headers: { 'x-envoy-degraded': '' } } }),
  get('/clusters', { want: { status: 200, log: /health_check_ok_cluster_healthy/ } }),
  get('/empty', { want: { status: 503, log: /cluster_empty LH/ } }),
  get('/empty-zero', { want: { status: 200 } }),
  get('/unknown', { want: { status: 503 } }),
];
const FAILED: readonly TwinCase[] = [
  get('/here', { want: { status: 503, log: /health_check_failed LH/ } }),
  get('/behind', { want: { status: 503, upstream: 0 } }),
  get('/other', { want: { status: 200, headers: { 'x-envoy-immediate-health-check-fail': 'true' } } }),
  get('/drains', { want: { headers: { connection: 'close' } } }),
  get('/drains', { listener: 'modify-only', want: { status: 200, headers: { connection: undefined } } }),
];

test('health check, ours and Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'modify-only'],
    bootstrap: (env) => ({
      node: { id: 'one', cluster: 'mine' },
      static_resources: {
        clusters: [cluster('backend', env.backend('backend')), { name: 'empty', type: 'STATIC' }],
        listeners: [
          httpListener('main', { port: env.port('main'), log: env.log('main'), filters: FILTERS }),
          httpListener('modify-only', {
            port: env.port('modify-only'),
            log: env.log('modify-only'),
            listener: { drain_type: 'MODIFY_ONLY' },
          }),
        ],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];
  await compare(t, twins, CASES);
  for (const twin of both) await twin.admin('/healthcheck/fail', 'POST');
  await compare(t, twins, FAILED);
  for (const twin of both) await twin.admin('/healthcheck/ok', 'POST');
  await compare(t, twins, [get('/here', { name: 'well again', want: { status: 200 } })]);
  const [envoy, isthmus] = await Promise.all(both.map((twin) => twin.admin('/stats?filter=main.health_check')));
  assert.equal(isthmus, envoy);
});
