import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import {
  type RateLimitRequest,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
} from '../../src/api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { any, cluster, HTTP2, httpListener, named, percent, TO_BACKEND } from '../support/envoy-config.ts';
import { chunked } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { compare, observe, type Twin, type TwinCase, twinProxies } from '../support/twin-proxies.ts';
import { unaryServer } from '../support/unary-server.ts';

/** The client tells the rate limit service what to answer, in the header `x-answer`, which rules make a descriptor. */

const NAME = 'envoy.filters.http.ratelimit';
const ANSWER = { request_headers: { header_name: 'x-answer', descriptor_key: 'answer', skip_if_absent: true } };
const key = (value: string, more: JsonObject = {}): JsonObject => ({
  generic_key: { descriptor_value: value, ...more },
});
const rules = (...list: JsonObject[][]): JsonObject[] => list.map((actions) => ({ actions }));

/** Requests about streams that are done. */
const done: string[] = [];

function shouldRateLimit(request: RateLimitRequest) {
  const [first] = request.descriptors;
  if (first?.entries[0].value === 'done') done.push(JSON.stringify(toJson(RateLimitRequestSchema, request)));
  const told = request.descriptors.flatMap((d) => d.entries).find((e) => e.key === 'answer')?.value ?? '';
  if (told === 'silence') return 'silence' as const;
  if (/^\d+$/.test(told)) return { code: Number(told), details: 'as told' };
  if (told !== '') return fromJson(RateLimitResponseSchema, JSON.parse(told));
  const asked = JSON.stringify(toJson(RateLimitRequestSchema, request));
  return fromJson(RateLimitResponseSchema, {
    overallCode: 'OK',
    requestHeadersToAdd: [{ key: 'x-asked', value: asked }],
  });
}

const answer = (json: JsonObject, path = '/', more: [string, string][] = []) => ({
  path,
  headers: [['x-answer', JSON.stringify(json)] as [string, string], ...more],
});
const status = (code: string, remaining: number, requests: number, unit: string, name?: string): JsonObject => ({
  code,
  limitRemaining: remaining,
  currentLimit: { requestsPerUnit: requests, unit, ...(name === undefined ? {} : { name }) },
  durationUntilReset: '5.9s',
});

const route = (prefix: string, rateLimits: JsonObject[], fields: JsonObject = {}, perRoute?: JsonObject) => ({
  match: { prefix },
  route: { cluster: 'backend', rate_limits: rateLimits, ...fields },
  metadata: { filter_metadata: { mine: { tier: 'gold' } } },
  ...(perRoute ? { typed_per_filter_config: { [NAME]: any('http.ratelimit.v3.RateLimitPerRoute', perRoute) } } : {}),
});

const ROUTES: readonly JsonObject[] = [
  route(
    '/all',
    rules([
      ANSWER,
      { source_cluster: {} },
      { destination_cluster: {} },
      { remote_address: {} },
      { masked_remote_address: { v4_prefix_mask_len: 8 } },
      { request_headers: { header_name: 'x-two', descriptor_key: 'two' } },
      key('plain'),
      key('named', { descriptor_key: 'own' }),
      { header_value_match: { descriptor_value: 'm', headers: [{ name: 'x-two', present_match: true }] } },
      {
        header_value_match: {
          descriptor_key: 'no',
          descriptor_value: 'm',
          expect_match: false,
          headers: [{ name: 'x-none', present_match: true }],
        },
      },
      {
        query_parameter_value_match: {
          descriptor_value: 'q',
          query_parameters: [{ name: 'q', string_match: { exact: '1' } }],
        },
      },
      {
        metadata: {
          descriptor_key: 'tier',
          metadata_key: { key: 'mine', path: [{ key: 'tier' }] },
          source: 'ROUTE_ENTRY',
        },
      },
      { metadata: { descriptor_key: 'none', metadata_key: { key: 'x', path: [{ key: 'y' }] }, default_value: 'd' } },
    ]),
  ),
  route(
    '/several',
    rules([key('a')], [{ request_headers: { header_name: 'x-none', descriptor_key: 'n' } }], [key('b')]),
  ),
  route('/skipped', rules([{ request_headers: { header_name: 'x-none', descriptor_key: 'n', skip_if_absent: true } }])),
  route('/none', rules([{ request_headers: { header_name: 'x-none', descriptor_key: 'n' } }])),
  route('/host', []),
  route('/include-old', rules([key('route')]), { include_vh_rate_limits: true }),
  route('/include', rules([key('route')]), {}, { vh_rate_limits: 'INCLUDE' }),
  route('/ignore', [], {}, { vh_rate_limits: 'IGNORE' }),
  route('/domain', rules([key('route')]), {}, { domain: 'other' }),
  route('/stage', [
    { stage: 0, actions: [key('zero')] },
    { stage: 1, actions: [key('one')] },
  ]),
  route('/disable-key', [{ disable_key: 'k', actions: [key('disabled')] }]),
  { match: { prefix: '/direct' }, direct_response: { status: 200 } },
  route('/missing', rules([key('a')]), { cluster: 'nowhere' }),
  route('/counted', [{ actions: [key('a')], hits_addend: { number: 3 }, apply_on_stream_done: true }]),
  route('/told', [{ actions: [ANSWER, key('a')], x_ratelimit_option: 'DRAFT_VERSION_03' }, { actions: [key('b')] }]),
  route('/query', rules([{ query_parameters: { query_parameter_name: 'q', descriptor_key: 'q' } }])),
  route('/', rules([ANSWER, key('default')])),
];

const BYTES: JsonObject = { format: '%BYTES_RECEIVED%' };
/** Rules of the filter itself. */
const OWN: readonly JsonObject[] = [
  { actions: [ANSWER, key('own')] },
  { actions: [key('two')], hits_addend: { number: 2 } },
  { actions: [key('back')], hits_addend: { number: 4, is_negative_hits: true } },
  { actions: [key('given')], hits_addend: { format: '%REQ(x-hits)%' } },
];
const share = (numerator: number): JsonObject => ({ default_value: percent(numerator) });
const twoLimits = (first: number, second: number): JsonObject => ({
  overallCode: 'OK',
  statuses: [status('OK', first, 5, 'MINUTE'), status('OK', second, 7, 'HOUR')],
});

const OVER = { overallCode: 'OVER_LIMIT' };
const GRPC: [string, string][] = [['content-type', 'application/grpc']];

const CASES: readonly TwinCase[] = [
  {
    name: 'all actions',
    send: {
      path: '/all?q=1',
      headers: [
        ['x-two', '1'],
        ['x-two', '2'],
      ],
    },
    want: { status: 200 },
  },
  { name: 'several rules, of which one is not met', send: { path: '/several' }, want: { status: 200 } },
  { name: 'a rule without entries', send: { path: '/skipped' }, want: { status: 200 } },
  { name: 'no rule is met', send: { path: '/none' }, want: { status: 200 } },
  { name: 'rules of the virtual host', send: { path: '/host' } },
  { name: 'rules of both, by the route', send: { path: '/include-old' } },
  { name: 'rules of both', send: { path: '/include' } },
  { name: 'rules of the virtual host ignored', send: { path: '/ignore' } },
  { name: 'another domain', send: { path: '/domain' } },
  { name: 'a stage', send: { path: '/stage' } },
  { name: 'another stage', listener: 'strict', send: { path: '/stage' } },
  { name: 'a rule that could be disabled', send: { path: '/disable-key' } },
  { name: 'a route that answers by itself', send: { path: '/direct' }, want: { status: 200 } },
  { name: 'no cluster', send: { path: '/missing' }, want: { status: 503 } },
  { name: 'no route', send: { headers: [['host', 'x']], path: '/nowhere' } },
  {
    name: 'over the limit',
    send: answer(OVER),
    want: {
      status: 429,
      upstream: 0,
      headers: { 'x-envoy-ratelimited': 'true' },
      log: /429 request_rate_limited RL/,
    },
  },
  {
    name: 'over the limit, with words and headers',
    send: answer({
      ...OVER,
      rawBody: Buffer.from('slow down').toString('base64'),
      responseHeadersToAdd: [
        { key: 'x-one', value: '1' },
        { key: 'X-One', value: '2' },
        { key: 'content-type', value: 'text/html' },
      ],
      requestHeadersToAdd: [{ key: 'x-never', value: '1' }],
      dynamicMetadata: { a: 'b' },
    }),
    want: { status: 429, body: 'slow down', log: /"a":"b"/ },
  },
  {
    name: 'over the limit of gRPC',
    send: { method: 'POST', headers: [...GRPC, ['x-answer', JSON.stringify(OVER)]] },
    want: { status: 200, headers: { 'grpc-status': '14' } },
  },
  {
    name: 'over the limit of gRPC, exhausted',
    listener: 'strict',
    send: { method: 'POST', headers: [...GRPC, ['x-answer', JSON.stringify(OVER)]] },
    want: { status: 200, headers: { 'grpc-status': '8' } },
  },
  {
    name: 'another status and no header',
    listener: 'strict',
    send: answer(OVER),
    want: { status: 503, headers: { 'x-envoy-ratelimited': undefined, 'x-added': 'yes' } },
  },
  {
    name: 'headers of what passes',
    send: answer(
      {
        overallCode: 'OK',
        responseHeadersToAdd: [
          { key: 'x-resp', value: '1' },
          { key: 'x-backend', value: '2' },
        ],
        requestHeadersToAdd: [
          { key: 'x-req', value: '1' },
          { key: 'x-old', value: '2' },
        ],
        dynamicMetadata: { a: 'b' },
      },
      '/',
      [['x-old', '1']],
    ),
    want: { status: 200, log: /"a":"b"/ },
  },
  {
    name: 'limits told to the client',
    listener: 'strict',
    send: answer({
      overallCode: 'OK',
      statuses: [status('OK', 5, 10, 'MINUTE', 'first'), status('OK', 3, 7, 'HOUR'), { code: 'OK' }],
    }),
    want: { headers: { 'x-ratelimit-remaining': '3', 'x-ratelimit-reset': '5' } },
  },
  {
    name: 'limits of every unit',
    listener: 'strict',
    send: answer({
      overallCode: 'OVER_LIMIT',
      statuses: ['SECOND', 'MINUTE', 'HOUR', 'DAY', 'MONTH', 'YEAR', 'UNKNOWN'].map((unit, i) =>
        status('OVER_LIMIT', i, i + 1, unit),
      ),
    }),
    want: { status: 503 },
  },
  { name: 'a code that is none', send: answer({ overallCode: 'UNKNOWN' }), want: { status: 200 } },
  { name: 'an error', send: { headers: [['x-answer', '14']] }, want: { status: 200, upstream: 1 } },
  {
    name: 'an error that matters',
    listener: 'strict',
    send: { headers: [['x-answer', '14']] },
    want: { status: 502, upstream: 0, log: /rate_limiter_error RLSE/ },
  },
  {
    name: 'an error that matters, by itself',
    listener: 'deny',
    send: { headers: [['x-answer', '2']] },
    want: { status: 500 },
  },
  { name: 'no answer', send: { headers: [['x-answer', 'silence']] }, want: { status: 200, upstream: 1 } },
  {
    name: 'a body waits',
    send: [
      `POST / HTTP/1.1\r\nhost: a\r\nx-answer: ${JSON.stringify({ overallCode: 'OK' })}\r\ntransfer-encoding: chunked\r\n\r\n`,
      chunked(['ab', 'x'.repeat(3000)], [['x-t', '1']]),
    ],
    want: { status: 200, upstream: 1 },
  },
  { name: 'hits of a route are not told', send: { path: '/counted' }, want: { status: 200 } },
  { name: 'a query parameter', send: { path: '/query?q=a%20b&q=c' } },
  { name: 'no query parameter', send: { path: '/query?r=1' } },
  {
    name: 'rules of the filter',
    listener: 'own',
    send: { path: '/all', headers: [['x-hits', '7']] },
    want: { status: 200 },
  },
  { name: 'rules of the filter, and hits that are no number', listener: 'own', send: { headers: [['x-hits', 'z']] } },
  ...[
    [0, 3],
    [3, 0],
  ].map(
    ([first, second]): TwinCase => ({
      name: `limits of rules: ${first}`,
      send: answer(twoLimits(first, second), '/told'),
    }),
  ),
  { name: 'not enabled', listener: 'off', send: answer(OVER), want: { status: 200, upstream: 1 } },
  {
    name: 'not enforced',
    listener: 'lenient',
    send: answer({
      ...OVER,
      requestHeadersToAdd: [{ key: 'x-rq', value: '1' }],
      responseHeadersToAdd: [{ key: 'x-rs', value: '1' }],
      dynamicMetadata: { a: 'b' },
    }),
    want: { status: 200, headers: { 'x-envoy-ratelimited': 'true', 'x-rs': '1' } },
  },
  {
    name: 'errors that matter always',
    listener: 'lenient',
    send: { headers: [['x-answer', '14']] },
    want: { status: 500 },
  },
  {
    name: 'errors that matter never',
    listener: 'forgiving',
    send: { headers: [['x-answer', '14']] },
    want: { status: 200 },
  },
  {
    name: 'metadata under another name',
    listener: 'forgiving',
    send: answer({ overallCode: 'OK', dynamicMetadata: { a: 'b' } }),
    want: { log: /"a":"b"/ },
  },
  {
    name: 'when to try again',
    listener: 'forgiving',
    send: answer({ ...OVER, statuses: [status('OVER_LIMIT', 0, 5, 'MINUTE'), status('OK', 3, 7, 'HOUR')] }),
    want: { status: 429, headers: { 'retry-after': '5' } },
  },
  { name: 'nobody knows when to try again', listener: 'forgiving', send: answer(OVER), want: { status: 429 } },
  { name: 'only from inside, and this is not', listener: 'internal', send: answer(OVER), want: { status: 200 } },
  { name: 'only from outside', listener: 'external', send: answer(OVER), want: { status: 429 } },
];

test('a rate limit service as Envoy asks it', { skip: withoutReference }, async (t) => {
  const filter = (fields: JsonObject = {}) => [
    named(NAME, 'http.ratelimit.v3.RateLimit', {
      domain: 'test',
      timeout: '1s',
      rate_limit_service: { transport_api_version: 'V3', grpc_service: { envoy_grpc: { cluster_name: 'rls' } } },
      ...fields,
    }),
  ];
  const listeners: Record<string, JsonObject[]> = {
    main: filter(),
    strict: filter({
      stage: 1,
      failure_mode_deny: true,
      status_on_error: { code: 'BadGateway' },
      rate_limited_status: { code: 'ServiceUnavailable' },
      rate_limited_as_resource_exhausted: true,
      disable_x_envoy_ratelimited_header: true,
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
      response_headers_to_add: [{ header: { key: 'x-added', value: 'yes' } }],
      stat_prefix: 'strict',
    }),
    deny: filter({ failure_mode_deny: true }),
    internal: filter({ request_type: 'internal' }),
    external: filter({ request_type: 'external' }),
    own: filter({ rate_limits: [...OWN] }),
    off: filter({ filter_enabled: share(0) }),
    lenient: filter({ filter_enforced: share(0), failure_mode_deny_percent: share(100) }),
    forgiving: filter({
      failure_mode_deny: true,
      failure_mode_deny_percent: share(0),
      metadata_namespace: 'mine',
      enable_retry_after_header: true,
    }),
    done: filter({ rate_limits: [{ actions: [key('done')], apply_on_stream_done: true, hits_addend: BYTES }] }),
  };
  const twins = await twinProxies(t, {
    listeners: Object.keys(listeners),
    servers: {
      rls: (inner) =>
        unaryServer(
          inner,
          '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
          { request: RateLimitRequestSchema, response: RateLimitResponseSchema },
          shouldRateLimit,
        ),
    },
    bootstrap: (env) => ({
      node: { id: 'node', cluster: 'local' },
      static_resources: {
        listeners: Object.entries(listeners).map(([name, filters]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            logFormat: `%DYNAMIC_METADATA(${NAME})% %DYNAMIC_METADATA(mine)%`,
            filters,
            routes:
              name === 'strict'
                ? [ROUTES[9], { ...route('/', [{ stage: 1, actions: [ANSWER, key('default')] }]) }]
                : [...ROUTES, TO_BACKEND],
            virtualHost: {
              domains: ['example.com', 'a'],
              rate_limits: [...rules([key('host')]), { stage: 1, actions: [key('host one')] }],
            },
            routeConfig: { validate_clusters: false },
          }),
        ),
        clusters: [cluster('backend', env.backend('backend')), cluster('rls', env.backend('rls'), HTTP2)],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('what is told when a stream is done', async () => {
    const tells = async (twin: Twin) => {
      const seen = await observe(twin, { name: '', send: { method: 'POST', body: 'hello' } }, 'done');
      const told = await until(`${twin.program} tells the service`, () => done.shift());
      return { seen, told };
    };
    const wanted = await tells(twins.envoy);
    assert.match(wanted.told, /"hitsAddend":"5"/);
    assert.deepEqual(await tells(twins.isthmus), wanted);
  });
  await t.test('statistics', async () => {
    const stats = async (twin: Twin) => (await twin.admin('/stats?filter=ratelimit|rq_429')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
