import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, percent, TO_BACKEND } from '../support/envoy-config.ts';
import { chunked, encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const faults = (fields: JsonObject) => ({ 'envoy.filters.http.fault': any('http.fault.v3.HTTPFault', fields) });
const route = (prefix: string, fields: JsonObject) => ({
  match: { prefix },
  route: { cluster: 'backend' },
  typed_per_filter_config: faults(fields),
});
const ALL = percent(100);
const ABORT = { abort: { http_status: 418, percentage: ALL } };
const LONG = 'x'.repeat(20_000);
const GRPC: [string, string][] = [['content-type', 'application/grpc']];

const ROUTES: readonly JsonObject[] = [
  route('/abort/grpc', { abort: { grpc_status: 9, percentage: ALL } }),
  route('/abort/header', { abort: { header_abort: {}, percentage: ALL } }),
  route('/abort/never', { abort: { http_status: 500, percentage: percent(0) } }),
  route('/abort/unset', { abort: { http_status: 500 } }),
  route('/abort', ABORT),
  route('/delay/header', { delay: { header_delay: {}, percentage: ALL } }),
  route('/delay/abort', { ...ABORT, delay: { fixed_delay: '0.03s', percentage: ALL } }),
  route('/delay/none', { delay: { fixed_delay: '0.03s', percentage: percent(0) } }),
  route('/delay', { delay: { fixed_delay: '0.03s', percentage: ALL } }),
  route('/rate/header', { response_rate_limit: { header_limit: {}, percentage: ALL } }),
  route('/rate/abort', { ...ABORT, response_rate_limit: { fixed_limit: { limit_kbps: 1 }, percentage: ALL } }),
  route('/rate', { response_rate_limit: { fixed_limit: { limit_kbps: 64 }, percentage: ALL } }),
  route('/nodes', { ...ABORT, downstream_nodes: ['one', 'two'] }),
  route('/cluster/other', { ...ABORT, upstream_cluster: 'other' }),
  route('/cluster', { ...ABORT, upstream_cluster: 'backend' }),
  route('/headers', {
    ...ABORT,
    headers: [
      { name: 'x-one', string_match: { exact: 'a' } },
      { name: 'x-two', present_match: true, invert_match: true },
    ],
  }),
  route('/max', { ...ABORT, max_active_faults: 0 }),
  route('/metadata', { ...ABORT, filter_metadata: { why: 'test' } }),
  {
    match: { prefix: '/weighted' },
    route: {
      weighted_clusters: {
        clusters: [
          {
            name: 'backend',
            weight: 1,
            typed_per_filter_config: faults({ abort: { http_status: 429, percentage: ALL } }),
          },
        ],
      },
    },
    typed_per_filter_config: faults(ABORT),
  },
  route('/nothing', {}),
  { match: { prefix: '/direct' }, direct_response: { status: 200 }, typed_per_filter_config: faults(ABORT) },
  TO_BACKEND,
];

const CASES: readonly TwinCase[] = [
  {
    name: 'abort',
    send: { path: '/abort' },
    want: {
      status: 418,
      body: 'fault filter abort',
      upstream: 0,
      log: '418 fault_filter_abort FI backend {}',
    },
  },
  {
    name: 'abort of a request with body',
    send: { method: 'POST', path: '/abort', body: 'abc' },
    want: { status: 418 },
  },
  { name: 'abort of HEAD', send: { method: 'HEAD', path: '/abort' }, want: { status: 418 } },
  {
    name: 'abort of gRPC',
    send: { method: 'POST', path: '/abort', headers: GRPC },
    want: { status: 200, headers: { 'grpc-message': 'fault filter abort', 'grpc-status': '2' } },
  },
  {
    name: 'abort with a gRPC status',
    send: { method: 'POST', path: '/abort/grpc', headers: GRPC },
    want: { status: 200, headers: { 'grpc-status': '9' } },
  },
  {
    name: 'abort with a gRPC status of what is no gRPC',
    send: { path: '/abort/grpc' },
    want: { status: 200, body: 'fault filter abort' },
  },
  { name: 'share of nothing', send: { path: '/abort/never' }, want: { status: 200, upstream: 1 } },
  { name: 'no share', send: { path: '/abort/unset' }, want: { status: 200, upstream: 1 } },
  ...(
    [
      ['503', [['x-envoy-fault-abort-request', '503']], 503],
      ['out of range', [['x-envoy-fault-abort-request', '600']], 200],
      ['below the range', [['x-envoy-fault-abort-request', '199']], 200],
      ['no number', [['x-envoy-fault-abort-request', '5x3']], 200],
      ['spaces and sign', [['x-envoy-fault-abort-request', '+503']], 503],
      ['no header', [], 200],
      ['gRPC status', [['x-envoy-fault-abort-grpc-request', '5']], 200],
      [
        'both',
        [
          ['x-envoy-fault-abort-grpc-request', '5'],
          ['x-envoy-fault-abort-request', '401'],
        ],
        401,
      ],
      [
        'share by header',
        [
          ['x-envoy-fault-abort-request', '503'],
          ['x-envoy-fault-abort-request-percentage', '0'],
        ],
        200,
      ],
      [
        'share above what is allowed',
        [
          ['x-envoy-fault-abort-request', '503'],
          ['x-envoy-fault-abort-request-percentage', '900'],
        ],
        503,
      ],
      [
        'share that is no number',
        [
          ['x-envoy-fault-abort-request', '503'],
          ['x-envoy-fault-abort-request-percentage', '-1'],
        ],
        503,
      ],
    ] as const
  ).map(
    ([name, headers, status]): TwinCase => ({
      name: `abort by header: ${name}`,
      send: { path: '/abort/header', headers },
      want: { status },
    }),
  ),
  {
    name: 'abort by header: gRPC status of a gRPC request',
    send: { method: 'POST', path: '/abort/header', headers: [...GRPC, ['x-envoy-fault-abort-grpc-request', '5']] },
    want: { headers: { 'grpc-status': '5' } },
  },
  { name: 'delay', send: { path: '/delay' }, want: { status: 200, log: /DI/ } },
  {
    name: 'delay of a request with body',
    send: { method: 'POST', path: '/delay', body: LONG },
    want: { log: /DI/, body: new RegExp(LONG) },
  },
  {
    name: 'delay of a chunked request with trailers',
    send: [
      `POST /delay HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`,
      chunked(['ab', 'cd'], [['x-t', '1']]),
    ],
    want: { log: /DI/, body: /abcd/ },
  },
  { name: 'delay, then abort', send: { path: '/delay/abort' }, want: { status: 418, log: /DI,FI/ } },
  { name: 'delay that none gets', send: { path: '/delay/none' }, want: { log: / - / } },
  {
    name: 'delay by header',
    send: { path: '/delay/header', headers: [['x-envoy-fault-delay-request', '20']] },
    want: { log: /DI/ },
  },
  {
    name: 'delay by header of nothing',
    send: { path: '/delay/header', headers: [['x-envoy-fault-delay-request', '0']] },
    want: { log: / - / },
  },
  { name: 'delay by a header that is not there', send: { path: '/delay/header' }, want: { log: / - / } },
  {
    name: 'delay by header without a share',
    send: {
      path: '/delay/header',
      headers: [
        ['x-envoy-fault-delay-request', '20'],
        ['x-envoy-fault-delay-request-percentage', '0'],
      ],
    },
    want: { log: / - / },
  },
  {
    name: 'rate limit',
    send: { path: '/rate' },
    answer: encodeMessage('HTTP/1.1 200 OK', [], LONG),
    want: { body: LONG },
  },
  {
    name: 'rate limit of a response with trailers',
    send: [`GET /rate HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n`],
    answer: `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunked(['ab', LONG], [['x-t', '1']])}`,
    want: { body: `ab${LONG}` },
  },
  {
    name: 'rate limit of a response without body',
    send: { path: '/rate' },
    answer: 'HTTP/1.1 204 No Content\r\n\r\n',
    want: { status: 204 },
  },
  {
    name: 'rate limit by header',
    send: { path: '/rate/header', headers: [['x-envoy-fault-throughput-response', '64']] },
    answer: encodeMessage('HTTP/1.1 200 OK', [], LONG),
    want: { body: LONG },
  },
  {
    name: 'rate limit of an answer of ours',
    send: { path: '/rate/abort' },
    want: { status: 418, body: 'fault filter abort' },
  },
  {
    name: 'node that is not meant',
    send: { path: '/nodes', headers: [['x-envoy-downstream-service-node', 'three']] },
    want: { status: 200 },
  },
  {
    name: 'node that is meant',
    send: { path: '/nodes', headers: [['x-envoy-downstream-service-node', 'two']] },
    want: { status: 418 },
  },
  { name: 'no node', send: { path: '/nodes' }, want: { status: 200 } },
  { name: 'cluster that is meant', send: { path: '/cluster' }, want: { status: 418 } },
  { name: 'cluster that is not meant', send: { path: '/cluster/other' }, want: { status: 200 } },
  { name: 'headers that match', send: { path: '/headers', headers: [['x-one', 'a']] }, want: { status: 418 } },
  {
    name: 'headers of which one does not match',
    send: {
      path: '/headers',
      headers: [
        ['x-one', 'a'],
        ['x-two', ''],
      ],
    },
    want: { status: 200 },
  },
  { name: 'too many faults', send: { path: '/max' }, want: { status: 200, log: / - / } },
  { name: 'metadata of the fault', send: { path: '/metadata' }, want: { log: /"why":"test"/ } },
  { name: 'the weighted cluster says more than the route', send: { path: '/weighted' }, want: { status: 429 } },
  { name: 'a route without faults overrides the filter', send: { path: '/nothing' }, want: { status: 200 } },
  { name: 'a route that answers by itself', send: { path: '/direct' } },
  { name: 'faults of the filter', listener: 'own', want: { status: 410, log: /FI/ } },
];

test('faults as Envoy injects them', { skip: withoutReference }, async (t) => {
  const filter = (fields: JsonObject) => [named('envoy.filters.http.fault', 'http.fault.v3.HTTPFault', fields)];
  const logFormat = '%UPSTREAM_CLUSTER% %DYNAMIC_METADATA(envoy.filters.http.fault)%';
  const twins = await twinProxies(t, {
    listeners: ['main', 'own'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat,
            filters: filter({}),
            routes: ROUTES,
          }),
          httpListener('own', {
            port: env.port('own'),
            log: env.log('own'),
            logFormat,
            filters: filter({ abort: { http_status: 410, percentage: ALL } }),
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('statistics', async () => {
    const stats = async (twin: (typeof twins)['envoy']) => (await twin.admin('/stats?filter=fault')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
