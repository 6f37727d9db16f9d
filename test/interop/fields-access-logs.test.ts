import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { fileLog, named, percent } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import type { TwinEnv } from '../support/twin-proxies.ts';
import { compareRows, type TwinRow } from '../support/twin-rows.ts';

const MAIN = '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%';

/** A second log before the first, in the same file: what it writes of a request is there once the other's line is. */
const before = (log: JsonObject) => (env: TwinEnv, name: string) => ({
  access_log: [
    JSON.parse(JSON.stringify(log).replaceAll('<log>', env.log(name))) as JsonObject,
    fileLog(env.log(name), MAIN),
  ],
});
const filtered = (filter: JsonObject) => before({ ...fileLog('<log>', 'filtered'), filter });
const comparison = (op: string, value: JsonObject) => ({ comparison: { op, value } });
const status = (op: string, value: number, key = 'a.key') => ({
  status_code_filter: comparison(op, { default_value: value, runtime_key: key }),
});
const header = (name: string) => ({ header_filter: { header: { name, present_match: true } } });

const answer = (code: number, headers: readonly (readonly [string, string])[] = []) => ({
  answer: encodeMessage(
    `HTTP/1.1 ${code} Whatever`,
    [...(code === 204 ? [] : [['content-length', '0'] as const]), ...headers].map(([n, v]) => [n, v]),
  ),
});
const CODES = [200, 204, 301, 404, 499, 500, 503].map((code) => answer(code));
const HEADERS: TwinRow['send'] = [
  { headers: [['x-a', '1']] },
  { headers: [['x-b', '1']] },
  {},
  {
    headers: [
      ['x-a', '1'],
      ['x-b', ''],
    ],
  },
];
const GRPC: TwinRow['send'] = [
  ...['0', '1', '5', '14', '16', '17', 'x'].map((code) =>
    answer(200, [
      ['content-type', 'application/grpc'],
      ['grpc-status', code],
    ]),
  ),
  ...CODES,
];

const ROWS: readonly TwinRow[] = [
  ...['EQ', 'GE', 'LE', 'NE'].map(
    (op): TwinRow => ({ name: `status_code_filter ${op}`, manager: filtered(status(op, 404)), send: CODES }),
  ),
  { name: 'status_code_filter of the runtime', manager: filtered(status('GE', 404, 'log.code')), send: CODES },
  { name: 'and_filter', manager: filtered({ and_filter: { filters: [header('x-a'), header('x-b')] } }), send: HEADERS },
  { name: 'or_filter', manager: filtered({ or_filter: { filters: [header('x-a'), header('x-b')] } }), send: HEADERS },
  { name: 'header_filter', manager: filtered(header('x-b')), send: HEADERS },
  {
    name: 'header_filter, inverted',
    manager: filtered({ header_filter: { header: { name: 'x-b', string_match: { exact: '1' }, invert_match: true } } }),
    send: HEADERS,
  },
  {
    name: 'grpc_status_filter',
    manager: filtered({ grpc_status_filter: { statuses: ['CANCELED', 'UNAVAILABLE'] } }),
    send: GRPC,
  },
  {
    name: 'grpc_status_filter, exclude',
    manager: filtered({ grpc_status_filter: { statuses: ['OK', 'NOT_FOUND'], exclude: true } }),
    send: GRPC,
  },
  { name: 'grpc_status_filter of OK', manager: filtered({ grpc_status_filter: { statuses: ['OK'] } }), send: GRPC },
  {
    name: 'duration_filter',
    manager: filtered({ duration_filter: comparison('GE', { default_value: 300, runtime_key: 'a' }) }),
    action: { timeout: '0.4s' },
    send: [{}, { path: '/never' }],
  },
  {
    name: 'duration_filter, short',
    manager: filtered({ duration_filter: comparison('LE', { default_value: 5000, runtime_key: 'a' }) }),
    send: [{}],
  },
  {
    name: 'response_flag_filter',
    manager: filtered({ response_flag_filter: { flags: ['UT', 'NR'] } }),
    action: { timeout: '0.2s' },
    send: [{}, { path: '/never' }],
  },
  {
    name: 'response_flag_filter of any flag',
    manager: filtered({ response_flag_filter: {} }),
    action: { timeout: '0.2s' },
    send: [{}, { path: '/never' }],
  },
  {
    name: 'runtime_filter',
    manager: filtered({ runtime_filter: { runtime_key: 'none', percent_sampled: percent(100) } }),
    send: [{}],
  },
  {
    name: 'runtime_filter of the runtime',
    manager: filtered({
      runtime_filter: { runtime_key: 'log.sampled', percent_sampled: percent(0), use_independent_randomness: true },
    }),
    send: [{}],
  },
  {
    name: 'runtime_filter by the request id',
    manager: filtered({ runtime_filter: { runtime_key: 'none', percent_sampled: percent(50) } }),
    send: Array.from({ length: 12 }, (_, i) => ({
      headers: [
        ['x-request-id', `${(i * 2654435761 + 1).toString(16).padStart(8, '0').slice(-8)}-9f3e-4b2a-8c1d-0123456789ab`],
      ],
    })),
  },
  {
    name: 'not_health_check_filter',
    manager: filtered({ not_health_check_filter: {} }),
    filters: [
      named('envoy.filters.http.health_check', 'http.health_check.v3.HealthCheck', {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
      }),
    ],
    send: [{}, { path: '/healthz' }, { path: '/healthz', method: 'POST', body: 'a' }],
    stats: ['http.own.downstream_rq_', 'listener.127.0.0.1_<own>.http.own.downstream_rq_'],
  },
  {
    name: 'not_health_check_filter, checks that go on',
    manager: filtered({ not_health_check_filter: {} }),
    filters: [
      named('envoy.filters.http.health_check', 'http.health_check.v3.HealthCheck', {
        pass_through_mode: true,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
      }),
    ],
    send: [{}, { path: '/healthz' }],
    stats: ['http.own.downstream_rq_', 'cluster.own.upstream_rq_', 'cluster.own.(ex|in)ternal.'],
  },
  {
    name: 'traceable_filter',
    manager: (env, name) => ({
      ...filtered({ traceable_filter: {} })(env, name),
      tracing: { random_sampling: { value: 0 }, client_sampling: { value: 100 } },
      internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
    }),
    send: [
      {},
      { headers: [['x-client-trace-id', 'a']] },
      {
        headers: [
          ['x-forwarded-for', '127.0.0.1'],
          ['x-envoy-force-trace', '1'],
        ],
      },
    ],
  },
  {
    name: 'format',
    manager: before(
      named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '<log>',
        format: '%REQ(:METHOD)% old\n',
      }),
    ),
    send: [{}, { method: 'POST', body: 'a' }],
  },
  {
    name: 'json_format',
    manager: before(
      named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '<log>',
        json_format: {
          z: '%RESPONSE_CODE%',
          a: '%REQ(X-NONE)%',
          m: 'x %REQ(:METHOD)%',
          n: { b: '1', a: '%BYTES_SENT%' },
        },
      }),
    ),
    send: [{}],
  },
  {
    name: 'typed_json_format',
    manager: before(
      named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '<log>',
        typed_json_format: {
          z: '%RESPONSE_CODE%',
          a: '%REQ(X-NONE)%',
          l: [1, true, '%PROTOCOL%', null],
          n: { b: 1.5 },
        },
      }),
    ),
    send: [{}],
  },
  ...[{ sort_properties: true }, { sort_properties: false }].map(
    (options): TwinRow => ({
      name: `json_format_options ${JSON.stringify(options)}`,
      manager: before(
        named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
          path: '<log>',
          log_format: {
            json_format: { zz: '%RESPONSE_CODE%', b: 'B', a: { d: 1, c: '%PROTOCOL%' }, Z: '"\\\u0001é' },
            json_format_options: options,
          },
        }),
      ),
      send: [{}],
    }),
  ),
  {
    name: 'omit_empty_values',
    manager: before(
      named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '<log>',
        log_format: {
          json_format: {
            a: '%REQ(X-NONE)%',
            b: 'x%REQ(X-NONE)%',
            c: { d: '%REQ(X-NONE)%' },
            f: {},
            g: ['%REQ(X-NONE)%', { h: '%REQ(X-NONE)%' }],
            e: '%REQ(X-E)%',
          },
          omit_empty_values: true,
        },
      }),
    ),
    send: [{ headers: [['x-e', '']] }],
  },
  {
    name: 'omit_empty_values in text',
    manager: before(
      named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '<log>',
        log_format: {
          text_format_source: { inline_string: '[%REQ(X-NONE)%] [%REQ(X-E)%]\n' },
          omit_empty_values: true,
        },
      }),
    ),
    send: [{ headers: [['x-e', '']] }],
  },
  {
    name: 'formatters',
    manager: before(
      named('f', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '<log>',
        log_format: {
          text_format_source: { inline_string: '%REQ_WITHOUT_QUERY(:PATH)% %METADATA(ROUTE:a:b)%\n' },
          formatters: [
            named('q', 'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery'),
            named('m', 'envoy.extensions.formatter.metadata.v3.Metadata'),
          ],
        },
      }),
    ),
    route: { metadata: { filter_metadata: { a: { b: 'c' } } } },
    send: [{ path: '/a?b=c' }],
  },
];

test('fields of access logs change what Envoy and ours write', { skip: withoutReference }, async (t) => {
  await compareRows(t, ROWS, {
    backends: () => ({
      backend: (request) => (request.startLine.includes('/never') ? '' : encodeMessage('HTTP/1.1 200 OK', [], 'body')),
    }),
    bootstrap: () => ({
      layered_runtime: {
        layers: [{ name: 'static', static_layer: { 'log.code': 500, 'log.sampled': 100 } }],
      },
    }),
  });
});
