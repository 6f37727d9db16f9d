import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, percent } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

const to = (match: JsonObject, route: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  match,
  route: { cluster: 'backend', ...route },
  ...more,
});
const mark = (name: string) => ({ request_headers_to_add: [{ header: { key: 'x-route', value: name } }] });
const marked = (name: string, match: JsonObject) => to(match, {}, mark(name));
const regex = (text: string) => ({ regex: text });
const redirect = (match: JsonObject, fields: JsonObject, more: JsonObject = {}) => ({
  match,
  redirect: fields,
  ...more,
});
const header = (name: string, fields: JsonObject): JsonObject => ({ name, ...fields });

const ROUTES: readonly JsonObject[] = [
  // Matching.
  marked('exact', { path: '/exact' }),
  marked('exact-insensitive', { path: '/INSENSITIVE', case_sensitive: false }),
  marked('separated', { path_separated_prefix: '/sep' }),
  marked('regex', { safe_regex: regex('/re/[a-z]+/\\d{2,3}') }),
  marked('template', {
    path_match_policy: {
      name: 'envoy.path.match.uri_template.uri_template_matcher',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
        path_template: '/tpl/{a}/{b=**}.x',
      },
    },
  }),
  marked('headers', {
    prefix: '/h',
    headers: [
      header('x-exact', { string_match: { exact: 'One' } }),
      header('x-range', { range_match: { start: -5, end: 10 } }),
      header('x-absent', { present_match: true, invert_match: true }),
    ],
  }),
  marked('header-insensitive', {
    prefix: '/h',
    headers: [header('x-i', { string_match: { prefix: 'Ab', ignore_case: true } })],
  }),
  marked('header-suffix', { prefix: '/h', headers: [header('x-s', { string_match: { suffix: 'end' } })] }),
  marked('header-contains', { prefix: '/h', headers: [header('x-c', { string_match: { contains: 'mid' } })] }),
  marked('header-regex', { prefix: '/h', headers: [header('x-r', { string_match: { safe_regex: regex('a+b?') } })] }),
  marked('header-inverted', {
    prefix: '/h',
    headers: [
      header('x-n', { string_match: { exact: 'no' }, invert_match: true }),
      header('x-on', { present_match: true }),
    ],
  }),
  marked('header-missing-as-empty', {
    prefix: '/h',
    headers: [
      header('x-e', { string_match: { exact: '' }, treat_missing_header_as_empty: true }),
      header('x-empty', { present_match: true }),
    ],
  }),
  marked('method', { prefix: '/m', headers: [header(':method', { string_match: { exact: 'POST' } })] }),
  marked('authority', { prefix: '/m', headers: [header(':authority', { string_match: { prefix: 'api.' } })] }),
  marked('query-exact', { prefix: '/q', query_parameters: [{ name: 'a', string_match: { exact: '1' } }] }),
  marked('query-present', { prefix: '/q', query_parameters: [{ name: 'b', present_match: true }] }),
  marked('query-regex', {
    prefix: '/q',
    query_parameters: [{ name: 'c', string_match: { safe_regex: regex('x.*z') } }],
  }),
  marked('grpc', { prefix: '/g', grpc: {} }),
  marked('fraction-none', { prefix: '/f', runtime_fraction: { default_value: percent(0) } }),
  marked('fraction-all', { prefix: '/f', runtime_fraction: { default_value: percent(100) } }),
  // Rewriting.
  to({ prefix: '/prefix' }, { prefix_rewrite: '/p' }),
  to({ path: '/exactly' }, { prefix_rewrite: '/e' }),
  to({ safe_regex: regex('/rx/.*') }, { prefix_rewrite: '/all' }),
  to({ prefix: '/sub' }, { regex_rewrite: { pattern: regex('^/sub/([^/]+)/(.*)$'), substitution: '/\\2/of/\\1' } }),
  to({ prefix: '/host' }, { host_rewrite_literal: 'literal.test' }),
  to({ prefix: '/hostheader' }, { host_rewrite_header: 'x-host' }),
  to(
    { prefix: '/hostpath' },
    { host_rewrite_path_regex: { pattern: regex('^/hostpath/([^/?]+).*$'), substitution: '\\1.test' } },
  ),
  to({ prefix: '/forwardedhost' }, { host_rewrite_literal: 'literal.test', append_x_forwarded_host: true }),
  // Direct responses that say where the request went.
  ...[201, 204, 300, 302, 308, 399, 404].map((status) => ({
    match: { prefix: `/direct${status}` },
    direct_response: { status, body: { inline_string: 'direct' } },
    response_headers_to_add: [{ header: { key: 'x-status', value: '%RESPONSE_CODE%' } }],
  })),
  // Redirects.
  redirect({ prefix: '/r/host' }, { host_redirect: 'other.test' }),
  redirect({ prefix: '/r/https' }, { https_redirect: true }),
  redirect({ prefix: '/r/scheme' }, { scheme_redirect: 'ftp', response_code: 'FOUND' }),
  redirect({ prefix: '/r/port' }, { port_redirect: 8443, https_redirect: true, response_code: 'PERMANENT_REDIRECT' }),
  redirect({ prefix: '/r/path' }, { path_redirect: '/new', response_code: 'SEE_OTHER' }),
  redirect({ prefix: '/r/query' }, { path_redirect: '/new?own=1' }),
  redirect({ prefix: '/r/prefix' }, { prefix_rewrite: '/p', strip_query: true }),
  redirect({ prefix: '/r/noslash' }, { prefix_rewrite: 'p' }),
  redirect({ prefix: '/r/regex' }, { regex_rewrite: { pattern: regex('^/r/regex/(.*)$'), substitution: '/\\1' } }),
  redirect(
    { prefix: '/r/edits' },
    { host_redirect: 'other.test' },
    { response_headers_to_add: [{ header: { key: 'x-r', value: '1' } }] },
  ),
  // Answers.
  {
    match: { prefix: '/direct' },
    direct_response: { status: 418, body: { inline_string: 'tea' } },
    response_headers_to_add: [{ header: { key: 'x-d', value: '%RESPONSE_CODE%' } }],
  },
  { match: { prefix: '/nobody' }, direct_response: { status: 204 } },
  to(
    { prefix: '/missing' },
    { cluster: 'missing' },
    { response_headers_to_add: [{ header: { key: 'x-m', value: '1' } }] },
  ),
  to({ prefix: '/missing404' }, { cluster: 'missing', cluster_not_found_response_code: 'NOT_FOUND' }),
  to(
    { prefix: '/down' },
    { cluster: 'down' },
    { response_headers_to_add: [{ header: { key: 'x-down', value: '%RESPONSE_FLAGS%' } }] },
  ),
  to({ prefix: '/nohosts' }, { cluster: 'empty' }),
  to({ prefix: '/byheader' }, { cluster: undefined as never, cluster_header: 'x-cluster' }),
  // Headers.
  to(
    { prefix: '/edit' },
    {},
    {
      request_headers_to_add: [
        { header: { key: 'x-append', value: 'a' } },
        { header: { key: 'x-absent', value: 'b' }, append_action: 'ADD_IF_ABSENT' },
        { header: { key: 'x-over', value: 'c' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
        { header: { key: 'x-only', value: 'd' }, append_action: 'OVERWRITE_IF_EXISTS' },
        {
          header: {
            key: 'x-vars',
            value: '%PROTOCOL% %REQ(X-IN?:path)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %START_TIME(%Y)% 100%%',
          },
        },
        { header: { key: 'x-blank', value: '%REQ(x-nothing)%' } },
        { header: { key: 'x-kept', value: '%REQ(x-nothing)%' }, keep_empty_value: true },
        {
          header: {
            key: 'x-meta',
            value: '%DYNAMIC_METADATA(a:b)%|%UPSTREAM_METADATA(["a","b"])%|%VIRTUAL_CLUSTER_NAME%|%ROUTE_NAME%',
          },
        },
      ],
      request_headers_to_remove: ['x-gone'],
      response_headers_to_add: [
        { header: { key: 'x-code', value: '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%' } },
        { header: { key: 'x-backend', value: 'again' } },
        {
          header: { key: 'x-up', value: '%UPSTREAM_CLUSTER% %RESP(X-BACKEND)%' },
          append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
        },
      ],
      response_headers_to_remove: ['x-secret'],
      name: 'edited',
    },
  ),
  to(
    { prefix: '/weighted' },
    {
      cluster: undefined as never,
      weighted_clusters: {
        clusters: [
          { name: 'missing', weight: 0 },
          {
            name: 'backend',
            weight: 100,
            host_rewrite_literal: 'weighted.test',
            request_headers_to_add: [{ header: { key: 'x-weighted', value: '1' } }],
            request_headers_to_remove: ['x-gone'],
            response_headers_to_add: [{ header: { key: 'x-weighted', value: '2' } }],
            response_headers_to_remove: ['x-secret'],
          },
        ],
      },
    },
    { response_headers_to_add: [{ header: { key: 'x-route', value: 'r' } }] },
  ),
  // Time and retries.
  to({ prefix: '/timeout' }, { timeout: '0.25s' }),
  to(
    { prefix: '/retry' },
    {
      retry_policy: {
        retry_on: '5xx',
        num_retries: 2,
        retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      },
    },
  ),
  to(
    { prefix: '/retry-status' },
    {
      retry_policy: {
        retry_on: 'retriable-status-codes',
        retriable_status_codes: [418],
        num_retries: 1,
        retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      },
    },
  ),
  to(
    { prefix: '/retry-headers' },
    {
      retry_policy: {
        retry_on: 'retriable-headers',
        retriable_headers: [{ name: 'x-again', present_match: true }],
        num_retries: 1,
        retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      },
    },
  ),
  to(
    { prefix: '/retry-4xx' },
    {
      retry_policy: {
        retry_on: 'retriable-4xx',
        num_retries: 1,
        retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      },
    },
  ),
  to(
    { prefix: '/retry-gateway' },
    {
      retry_policy: {
        retry_on: 'gateway-error',
        num_retries: 1,
        retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      },
    },
  ),
  to(
    { prefix: '/retry-connect' },
    {
      cluster: 'down',
      retry_policy: {
        retry_on: 'connect-failure',
        num_retries: 2,
        retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' },
      },
    },
  ),
  to({ prefix: '/internal' }, { internal_redirect_policy: { max_internal_redirects: 2 } }),
  to({ prefix: '/' }),
];

const get = (path: string, headers: [string, string][] = [], more: Partial<TwinCase> = {}): TwinCase => ({
  name: `GET ${path}${headers.length > 0 ? ` with ${headers.map(([n, v]) => `${n}=${v}`).join(' ')}` : ''}`,
  send: { path, headers },
  ...more,
});
const answering = (
  status: number,
  path: string,
  headers: [string, string][] = [],
  extra: [string, string][] = [],
): TwinCase => ({
  ...get(path, headers),
  name: `GET ${path} answered by ${status}${extra.map(([n]) => ` ${n}`).join('')}`,
  answer: encodeMessage(`HTTP/1.1 ${status} Whatever`, extra, 'body'),
});

const CASES: readonly TwinCase[] = [
  ...['/exact', '/exact/', '/exact?q=1', '/exac', '/EXACT', '/insensitive', '/Insensitive?x'].map((p) => get(p)),
  ...['/sep', '/sep/', '/sep/x', '/sep?x', '/separate'].map((p) => get(p)),
  ...['/re/abc/12', '/re/abc/1', '/re/abc/123?x=1', '/re/abc/12/', '/re/ABC/12'].map((p) => get(p)),
  ...['/tpl/1/2/3.x', '/tpl/1/.x', '/tpl//2.x', '/tpl/1/2.y'].map((p) => get(p)),
  get('/h', [
    ['x-exact', 'One'],
    ['x-range', '-5'],
  ]),
  get('/h', [
    ['x-exact', 'One'],
    ['x-range', '10'],
  ]),
  get('/h', [
    ['x-exact', 'one'],
    ['x-range', '1'],
  ]),
  get('/h', [
    ['x-exact', 'One'],
    ['x-range', '9'],
    ['x-absent', ''],
  ]),
  get('/h', [
    ['x-exact', 'One'],
    ['x-range', '1x'],
  ]),
  get('/h', [['x-i', 'aBc']]),
  get('/h', [['x-s', 'the end']]),
  get('/h', [['x-c', 'amidst']]),
  get('/h', [['x-r', 'aab']]),
  get('/h', [['x-r', 'aabc']]),
  get('/h', [['x-on', '1']]),
  get('/h', [
    ['x-on', '1'],
    ['x-n', 'no'],
  ]),
  get('/h', [
    ['x-on', '1'],
    ['x-n', 'yes'],
  ]),
  get('/h', [
    ['x-empty', '1'],
    ['x-n', 'no'],
  ]),
  { name: 'POST /m', send: { method: 'POST', path: '/m', body: 'x' } },
  get('/m', [['host', 'api.test']]),
  ...['/q?a=1', '/q?a=2', '/q?a=1&a=2', '/q?x&b', '/q?b=', '/q?c=xyz', '/q?c=xy', '/q?A=1', '/q?a=%31', '/q#a=1'].map(
    (p) => get(p),
  ),
  get('/g', [['content-type', 'application/grpc']]),
  get('/g', [['content-type', 'application/grpc+proto']]),
  get('/g', [['content-type', 'application/grpcx']]),
  get('/f'),
  ...['/prefix', '/prefix/', '/prefix/x?y=1', '/prefixes', '/prefix?a'].map((p) => get(p)),
  ...['/exactly', '/exactly?a=1', '/rx/a/b?c', '/sub/a/b/c?d=e', '/sub/a'].map((p) => get(p)),
  get('/host/x', [['host', 'first.test:80']]),
  get('/hostheader', [['x-host', 'from.header']]),
  get('/hostheader'),
  get('/hostpath/abc/x?y'),
  get('/forwardedhost', [['host', 'first.test']]),
  get('/forwardedhost', [
    ['host', 'first.test'],
    ['x-forwarded-host', 'zero.test'],
  ]),
  get('/forwardedhost', [
    ['host', 'first.test'],
    ['x-forwarded-host', 'zero.test, first.test'],
  ]),
  ...['host', 'https', 'scheme', 'port', 'path', 'query', 'prefix', 'noslash', 'regex/a/b', 'edits'].flatMap((kind) => [
    get(`/r/${kind}`),
    get(`/r/${kind}/more?a=b`, [['host', 'web.test:80']]),
    get(`/r/${kind}?a=b`, [
      ['host', 'web.test:8080'],
      ['x-forwarded-proto', 'https'],
    ]),
  ]),
  get('/direct'),
  ...[201, 204, 300, 302, 308, 399, 404].flatMap((status) => [
    get(`/direct${status}?q=1`),
    get(`/direct${status}`, [['content-type', 'application/grpc']]),
  ]),
  { name: 'HEAD /direct', send: { method: 'HEAD', path: '/direct' } },
  { name: 'POST /direct', send: { method: 'POST', path: '/direct', body: 'abc' } },
  get('/direct', [['content-type', 'application/grpc']]),
  get('/nobody'),
  get('/missing'),
  get('/missing', [['content-type', 'application/grpc']]),
  get('/missing404'),
  get('/down'),
  get('/down', [['content-type', 'application/grpc']]),
  get('/nohosts'),
  get('/byheader', [['x-cluster', 'backend']]),
  get('/byheader', [['x-cluster', 'none']]),
  get('/byheader'),
  get('/edit', [
    ['x-append', '1'],
    ['x-append', '2'],
    ['x-absent', '3'],
    ['x-over', '4'],
    ['x-over', '5'],
    ['x-only', '6'],
    ['x-gone', '7'],
    ['X-IN', 'in'],
  ]),
  get('/edit'),
  answering(
    200,
    '/edit',
    [],
    [
      ['x-backend', 'own'],
      ['x-secret', 's'],
    ],
  ),
  answering(404, '/weighted', [['x-gone', '1']], [['x-secret', 's']]),
  ...[500, 502, 503, 504, 429, 418, 409, 400, 200].flatMap((status) => [
    answering(status, '/retry'),
    answering(status, '/retry-status'),
    answering(status, '/retry-4xx'),
    answering(status, '/retry-gateway'),
  ]),
  answering(200, '/retry-headers', [], [['x-again', '1']]),
  answering(200, '/retry-headers'),
  get('/retry-connect'),
  answering(503, '/', [
    ['x-envoy-retry-on', '5xx'],
    ['x-envoy-max-retries', '1'],
  ]),
  ...[301, 303, 307, 308].map((status) =>
    answering(status, '/internal', [], [['location', 'http://example.com/exact']]),
  ),
  { ...answering(302, '/internal', [], [['location', 'http://example.com/exact']]), lines: 2 },
  answering(302, '/internal', [], [['location', '/exact']]),
  answering(302, '/internal', [], [['location', 'https://example.com/exact']]),
];

test("routes match, rewrite, redirect, answer and retry as Envoy's do", { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routeConfig: { validate_clusters: false },
            routes: JSON.parse(JSON.stringify(ROUTES)) as JsonObject[],
            virtualHost: { include_request_attempt_count: true },
            logFormat: '%UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQ(:PATH)% %REQ(:AUTHORITY)%',
          }),
        ],
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('down', 1),
          { ...cluster('empty', 1), load_assignment: { cluster_name: 'empty' } },
        ],
      },
    }),
  });
  await compare(t, twins, CASES);
});
