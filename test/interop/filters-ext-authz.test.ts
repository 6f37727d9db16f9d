import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import {
  type CheckRequest,
  CheckRequestSchema,
  CheckResponseSchema,
} from '../../src/api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import { any, cluster, HTTP2, httpListener, named, TO_BACKEND } from '../support/envoy-config.ts';
import { type BackendHandler, chunked, encodeMessage, headerOf } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';
import { type UnaryAnswer, unaryServer } from '../support/unary-server.ts';

/** The client tells the authorizers what to answer, in the header `x-answer`. */

const NAME = 'envoy.filters.http.ext_authz';
const perRoute = (fields: JsonObject) => ({ [NAME]: any('http.ext_authz.v3.ExtAuthzPerRoute', fields) });
const route = (prefix: string, fields: JsonObject) => ({
  match: { prefix },
  route: { cluster: 'backend' },
  typed_per_filter_config: perRoute(fields),
});

/** What a gRPC authorizer was asked, without what differs from run to run. */
function asked(request: CheckRequest): string {
  const json = toJson(CheckRequestSchema, request) as JsonObject;
  const text = JSON.stringify(sorted(json))
    .replaceAll(/"portValue":\d+/g, '"portValue":0')
    .replaceAll(/"time":"[^"]+"/g, '"time":""')
    .replaceAll(/"id":"[^"]+"/g, '"id":""')
    .replaceAll(/("x-request-id"(?:,"rawValue")?:)"[^"]+"/g, '$1""');
  return text;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}

/** Answers as told; what it was asked goes to the upstream, or to the client if that is what it denies with. */
function authorize(request: CheckRequest): UnaryAnswer<ReturnType<typeof fromJson<typeof CheckResponseSchema>>> {
  const http = request.attributes?.request?.http;
  const told =
    http?.headers['x-answer'] ??
    Buffer.from(http?.headerMap?.headers.find((h) => h.key === 'x-answer')?.rawValue ?? '').toString();
  if (told === 'silence') return 'silence';
  if (/^\d+$/.test(told)) return { code: Number(told), details: 'as told' };
  if (told === '' || told === 'ok') {
    const headers = [{ header: { key: 'x-asked', value: asked(request) }, append: false }];
    return fromJson(CheckResponseSchema, { status: {}, okResponse: { headers } });
  }
  return fromJson(CheckResponseSchema, JSON.parse(told));
}

const webAuthorizer: BackendHandler = (request) => {
  const told = headerOf(request, 'x-answer') ?? '';
  if (told === 'hang up') return 'hang up' as never;
  const [status = '200', headers = '{}', body = 'said the authorizer'] = told.split('|');
  const list = Object.entries(JSON.parse(headers) as Record<string, string | string[]>).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  );
  return encodeMessage(`HTTP/1.1 ${status || '200'} X`, list, body);
};

const answer = (json: JsonObject, path = '/', more: [string, string][] = []) => ({
  path,
  headers: [['x-answer', JSON.stringify(json)] as [string, string], ...more],
});
const headers = (...list: [string, string, JsonObject?][]): JsonObject[] =>
  list.map(([key, value, more]) => ({ header: { key, value }, ...more }));
const allowed = (okResponse: JsonObject, more: JsonObject = {}): JsonObject => ({ status: {}, okResponse, ...more });
const denied = (deniedResponse: JsonObject, more: JsonObject = {}): JsonObject => ({
  status: { code: 7 },
  deniedResponse,
  ...more,
});

const GRPC_CASES: readonly TwinCase[] = [
  { name: 'allowed', want: { status: 200, upstream: 1 } },
  {
    name: 'all of a request',
    send: {
      method: 'POST',
      path: '/a%20b?c=d#',
      headers: [
        ['host', 'a.example:81'],
        ['x-two', '1'],
        ['x-two', '2'],
        ['x-envoy-downstream-service-cluster', 'shop'],
        ['cookie', 'a=b'],
      ],
      body: 'text',
    },
  },
  { name: 'a path with a query', send: { path: '/a?b=c&d' }, want: { status: 200 } },
  {
    name: 'extensions of virtual host and route',
    send: { path: '/extended' },
    want: { status: 200 },
  },
  { name: 'switched off for a route', send: { path: '/off', headers: [['x-answer', '7']] }, want: { status: 200 } },
  {
    name: 'no route',
    send: { path: '/', headers: [['host', 'nowhere']] },
    want: { status: 404 },
  },
  {
    name: 'a route that answers by itself',
    send: { path: '/direct', headers: [['x-answer', '{"status":{"code":7}}']] },
    want: { status: 403 },
  },
  {
    name: 'denied without a word',
    send: answer({ status: { code: 7 } }),
    want: { status: 403, body: '', upstream: 0, log: /403 ext_authz_denied UAEX/ },
  },
  {
    name: 'denied with status, body and headers',
    send: answer(
      denied({
        status: { code: 401 },
        body: 'who are you?',
        headers: headers(
          ['www-authenticate', 'Basic'],
          ['Set-Cookie', 'a=1'],
          ['set-cookie', 'b=2', { append: true }],
          ['content-type', 'text/html', { append: false }],
          ['x-overwritten', '1'],
          ['x-overwritten', '2', { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
          ['x-absent', '1', { appendAction: 'ADD_IF_ABSENT' }],
          ['x-exists', '1', { appendAction: 'OVERWRITE_IF_EXISTS' }],
        ),
      }),
    ),
    want: { status: 401, body: 'who are you?', log: /401 ext_authz_denied UAEX/ },
  },
  {
    name: 'denied, asked by gRPC',
    send: {
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['x-answer', JSON.stringify(denied({ status: { code: 429 }, body: 'slow down' }))],
      ],
    },
    want: { status: 200, headers: { 'grpc-message': 'slow down' } },
  },
  {
    name: 'headers of the request',
    send: answer(
      allowed({
        headers: headers(
          ['x-new', '1'],
          ['x-new', '2'],
          ['x-new-append', '1', { append: true }],
          ['x-new-set', '1', { append: false }],
          ['x-old', '1'],
          ['x-old-append', '1', { append: true }],
          ['x-old-set', '1', { append: false }],
          ['x-old-add', '1', { appendAction: 'APPEND_IF_EXISTS_OR_ADD' }],
          ['x-old-absent', '1', { appendAction: 'ADD_IF_ABSENT' }],
          ['x-new-absent', '1', { appendAction: 'ADD_IF_ABSENT' }],
          ['x-old-exists', '1', { appendAction: 'OVERWRITE_IF_EXISTS' }],
          ['x-new-exists', '1', { appendAction: 'OVERWRITE_IF_EXISTS' }],
          ['x-old-overwrite', '1', { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
          ['x-new-overwrite', '1', { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
        ),
        headersToRemove: ['x-gone', 'host', ':path'],
      }),
      '/',
      [
        'x-old',
        'x-old-append',
        'x-old-set',
        'x-old-add',
        'x-old-absent',
        'x-old-exists',
        'x-old-overwrite',
        'x-gone',
      ].map((name) => [name, '0']),
    ),
    want: { status: 200 },
  },
  {
    name: 'host and path',
    send: answer(
      allowed({ headers: headers([':path', '/new', { append: false }], ['host', 'b', { append: false }]) }),
      '/old',
    ),
    want: { status: 200 },
  },
  {
    name: 'headers of the response',
    send: answer(
      allowed({
        responseHeadersToAdd: headers(
          ['x-new', '1'],
          ['x-new', '2'],
          ['x-backend', '1'],
          ['x-backend', '2', { append: true }],
          ['x-new-absent', '1', { appendAction: 'ADD_IF_ABSENT' }],
          ['x-backend', '3', { appendAction: 'ADD_IF_ABSENT' }],
          ['x-new-exists', '1', { appendAction: 'OVERWRITE_IF_EXISTS' }],
          ['date', 'now', { appendAction: 'OVERWRITE_IF_EXISTS' }],
          ['x-new-overwrite', '1', { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
          ['x-new-append', '1', { append: true }],
          ['x-new-set', '1', { append: false }],
          ['content-type', 'a', { append: false }],
        ),
      }),
    ),
    want: { status: 200 },
  },
  {
    name: 'headers of a response to what is allowed but has no upstream',
    send: answer(allowed({ responseHeadersToAdd: headers(['x-new', '1']) }), '/direct'),
    want: { status: 200 },
  },
  {
    name: 'query parameters',
    send: answer(
      allowed({
        queryParametersToSet: [
          { key: 'z', value: '1' },
          { key: 'b', value: '2' },
        ],
        queryParametersToRemove: ['c'],
      }),
      '/q?c=1&b=1&a=%20&d',
    ),
    want: { status: 200 },
  },
  {
    name: 'the last query parameter goes',
    send: answer(allowed({ queryParametersToRemove: ['c'] }), '/q?c=1'),
    want: { status: 200 },
  },
  {
    name: 'dynamic metadata of what is denied',
    send: answer(denied({}, { dynamicMetadata: { why: 'because' } })),
    want: { log: /- because$/ },
  },
  {
    name: 'the route is found anew',
    send: answer(allowed({ headers: headers(['x-route', 'elsewhere', { append: false }]) })),
    want: { status: 202 },
  },
  {
    name: 'a status for an answer',
    send: { headers: [['x-answer', '14']] },
    want: { status: 403, log: /ext_authz_error UAEX/ },
  },
  {
    name: 'no answer',
    send: { headers: [['x-answer', 'silence']] },
    want: { status: 403, log: /ext_authz_error UAEX/ },
  },
  {
    name: 'errors that do not matter',
    listener: 'lenient',
    send: { headers: [['x-answer', '14']] },
    want: { status: 200, upstream: 1 },
  },
  {
    name: 'errors of another status',
    listener: 'body',
    send: { headers: [['x-answer', '14']] },
    want: { status: 503, upstream: 0 },
  },
  { name: 'nobody there', listener: 'nobody', want: { status: 403 } },
  {
    name: 'body',
    listener: 'body',
    send: { method: 'POST', body: 'abc', path: '/b' },
    want: { status: 200, upstream: 1 },
  },
  {
    name: 'body in chunks, with trailers',
    listener: 'body',
    send: [
      'POST /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n',
      '2\r\nab\r\n',
      chunked(['cd'], [['x-t', '1']]),
    ],
    want: { status: 200, upstream: 1 },
  },
  { name: 'no body', listener: 'body', want: { status: 200 } },
  {
    name: 'denied with a body on its way',
    listener: 'body',
    send: { ...answer(denied({ body: 'no' })), method: 'POST', body: 'abc' },
    want: { status: 403, upstream: 0 },
  },
  {
    name: 'too much body',
    listener: 'body',
    send: ['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n', 'x'.repeat(15)],
    want: { status: 413, upstream: 0 },
  },
  {
    name: 'some of the body',
    listener: 'partial',
    send: { method: 'POST', body: 'x'.repeat(20) },
    want: { status: 200, upstream: 1 },
  },
  {
    name: 'no body for a route',
    listener: 'partial',
    send: { method: 'POST', path: '/bodyless', body: 'x'.repeat(20) },
    want: { status: 200, upstream: 1 },
  },
  {
    name: 'raw headers',
    listener: 'partial',
    send: { headers: [['x-one', '\xff']] },
  },
  {
    name: 'headers that are told',
    listener: 'some',
    send: {
      headers: [
        ['x-one', '1'],
        ['x-two', '2'],
        ['x-secret', '3'],
      ],
    },
  },
  {
    name: 'not for this request',
    listener: 'some',
    send: { path: '/skip', headers: [['x-answer', '7']] },
    want: { status: 200 },
  },
  { name: 'nobody asked, nobody passes', listener: 'never', want: { status: 403, log: /ext_authz_error UAEX/ } },
];

const web = (told: string, path = '/', more: [string, string][] = []) => ({
  path,
  headers: [['x-answer', told] as [string, string], ...more],
});

const HTTP_CASES: readonly TwinCase[] = [
  { name: 'web: allowed', want: { status: 200, upstream: 2 } },
  {
    name: 'web: what it is told',
    send: {
      method: 'POST',
      path: '/a?b=c',
      headers: [
        ['authorization', 'Bearer x'],
        ['x-one', '1'],
        ['x-two', '2'],
        ['x-two', '3'],
        ['x-forwarded-for', '1.2.3.4'],
      ],
      body: 'abc',
    },
  },
  {
    name: 'web: headers for the upstream and the client',
    send: web(
      '200|{"x-up":"1","x-both":["1","2"],"x-append":"2","x-down":["1","2"],"x-other":"3","content-type":"a/b"}',
      '/',
      [
        ['x-up', '0'],
        ['x-append', '1'],
      ],
    ),
    want: { status: 200 },
  },
  { name: 'web: a header to append to nothing', send: web('200|{"x-append":"2","x-up":["1","2"]}') },
  {
    name: 'web: headers that go',
    send: web('200|{"x-envoy-auth-headers-to-remove":"x-one, x-two"}', '/', [
      ['x-one', '1'],
      ['x-two', '1'],
      ['x-three', '1'],
    ]),
    want: { status: 200 },
  },
  {
    name: 'web: denied',
    send: web(
      '403|{"x-up":"1","x-denied":"1","set-cookie":["a","b"],"location":"/there","www-authenticate":"Basic"}|go away',
    ),
    want: { status: 403, body: 'go away', log: /403 ext_authz_denied UAEX/ },
  },
  {
    name: 'web: denied, all headers',
    listener: 'web-plain',
    send: web(
      '302|{"x-denied":"1","set-cookie":["a","b"],"location":"/there","server":"other","content-type":"text/html"}|elsewhere',
    ),
    want: { status: 302, body: 'elsewhere' },
  },
  { name: 'web: other success is none', send: web('204|{}|'), want: { status: 204 } },
  { name: 'web: broken', send: web('500'), want: { status: 403, log: /ext_authz_error UAEX/ } },
  { name: 'web: broken, and it does not matter', listener: 'web-plain', send: web('503'), want: { status: 200 } },
  { name: 'web: metadata', send: web('200|{"x-meta":"1"}'), want: { log: '200 via_upstream - 1 -' } },
  { name: 'web: body', listener: 'web-plain', send: { method: 'POST', body: 'abc' }, want: { status: 200 } },
  {
    name: 'web: part of a body',
    listener: 'web-plain',
    send: { method: 'POST', body: 'x'.repeat(20) },
    want: { status: 200 },
  },
];

test('external authorization as Envoy asks for it', { skip: withoutReference }, async (t) => {
  const filter = (fields: JsonObject) => [named(NAME, 'http.ext_authz.v3.ExtAuthz', fields)];
  const grpc = (fields: JsonObject = {}, name = 'authz') =>
    filter({
      transport_api_version: 'V3',
      grpc_service: { envoy_grpc: { cluster_name: name }, timeout: '1s' },
      ...fields,
    });
  const http = (fields: JsonObject, more: JsonObject) =>
    filter({
      transport_api_version: 'V3',
      http_service: {
        server_uri: { uri: 'http://authz.example', cluster: 'web-authz', timeout: '1s' },
        path_prefix: '/check',
        ...fields,
      },
      ...more,
    });
  const exact = (...names: string[]) => ({ patterns: names.map((name) => ({ exact: name, ignore_case: true })) });
  const listeners: Record<string, { filters: JsonObject[]; virtualHost?: JsonObject }> = {
    main: {
      filters: grpc({ clear_route_cache: true, include_peer_certificate: true, include_tls_session: true }),
      virtualHost: {
        domains: ['example.com', 'a.example:81', 'b'],
        typed_per_filter_config: perRoute({ check_settings: { context_extensions: { a: 'host', b: 'host' } } }),
      },
    },
    lenient: { filters: grpc({ failure_mode_allow: true, failure_mode_allow_header_add: true }) },
    body: {
      filters: grpc({ with_request_body: { max_request_bytes: 10 }, status_on_error: { code: 'ServiceUnavailable' } }),
    },
    partial: {
      filters: grpc({
        with_request_body: { max_request_bytes: 10, allow_partial_message: true, pack_as_bytes: true },
        encode_raw_headers: true,
      }),
    },
    some: {
      filters: grpc({
        allowed_headers: { patterns: [{ prefix: 'x-' }] },
        disallowed_headers: exact('x-secret'),
        filter_enabled: { default_value: { numerator: 100 } },
      }),
      virtualHost: { typed_per_filter_config: {} },
    },
    never: {
      filters: grpc({
        filter_enabled: { default_value: { numerator: 0 }, runtime_key: 'a' },
        deny_at_disable: { default_value: true, runtime_key: 'b' },
      }),
    },
    web: {
      filters: http(
        {
          authorization_request: { headers_to_add: [{ key: 'x-added', value: 'yes' }] },
          authorization_response: {
            allowed_upstream_headers: exact('x-up', 'x-both'),
            allowed_upstream_headers_to_append: exact('x-append'),
            allowed_client_headers: exact('x-denied'),
            allowed_client_headers_on_success: exact('x-down', 'x-both'),
            dynamic_metadata_from_headers: exact('x-meta'),
          },
        },
        { allowed_headers: exact('x-answer', 'x-one', 'x-two') },
      ),
    },
    'web-plain': {
      filters: http(
        {},
        {
          allowed_headers: exact('x-answer'),
          failure_mode_allow: true,
          with_request_body: { max_request_bytes: 10, allow_partial_message: true },
        },
      ),
    },
    nobody: { filters: grpc({}, 'broken') },
  };
  const twins = await twinProxies(t, {
    listeners: Object.keys(listeners),
    backends: () => ({ 'web-authz': webAuthorizer }),
    servers: {
      authz: (inner) =>
        unaryServer(
          inner,
          '/envoy.service.auth.v3.Authorization/Check',
          { request: CheckRequestSchema, response: CheckResponseSchema },
          authorize,
        ),
    },
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(listeners).map(([name, { filters, virtualHost }]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            logFormat: `%DYNAMIC_METADATA(${NAME}:x-meta)% %DYNAMIC_METADATA(${NAME}:why)%`,
            filters,
            virtualHost,
            routes: [
              {
                match: { prefix: '/', headers: [{ name: 'x-route', string_match: { exact: 'elsewhere' } }] },
                direct_response: { status: 202 },
              },
              { match: { prefix: '/direct' }, direct_response: { status: 200 } },
              route('/off', { disabled: true }),
              route('/skip', { disabled: true }),
              route('/extended', { check_settings: { context_extensions: { b: 'route', c: 'route' } } }),
              route('/bodyless', { check_settings: { disable_request_body_buffering: true } }),
              TO_BACKEND,
            ],
          }),
        ),
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('web-authz', env.backend('web-authz')),
          cluster('authz', env.backend('authz'), HTTP2),
          cluster('broken', 1, HTTP2),
        ],
      },
    }),
  });
  await compare(t, twins, [...GRPC_CASES, ...HTTP_CASES.map((one) => ({ listener: 'web', ...one }))]);
  await t.test('statistics', async () => {
    const stats = async (twin: (typeof twins)['envoy']) =>
      (await twin.admin('/stats?filter=ext_authz')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
