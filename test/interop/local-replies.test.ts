import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named, percent } from '../support/envoy-config.ts';
import { rsaKey } from '../support/jwt.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Answers that are given before a request has come to its filters pass all of them on their way back. */

const H = 'envoy.filters.http';
const ALWAYS = { filter_enabled: { default_value: percent(100) }, filter_enforced: { default_value: percent(100) } };
const addResponse = (key: string, value: string): JsonObject => ({
  mutations: { response_mutations: [{ append: { header: { key, value } } }] },
});

const FILTERS: readonly JsonObject[] = [
  named(`${H}.grpc_web`, 'http.grpc_web.v3.GrpcWeb'),
  named(`${H}.cors`, 'http.cors.v3.Cors'),
  named(`${H}.fault`, 'http.fault.v3.HTTPFault'),
  named(`${H}.jwt_authn`, 'http.jwt_authn.v3.JwtAuthentication', {
    providers: {
      one: { issuer: 'a', local_jwks: { inline_string: JSON.stringify({ keys: [rsaKey('k').jwk()] }) } },
    },
    rules: [{ match: { prefix: '/' }, requires: { provider_name: 'one' } }],
  }),
  named(`${H}.rbac`, 'http.rbac.v3.RBAC', { rules: { action: 'DENY', policies: {} } }),
  named(`${H}.ext_authz`, 'http.ext_authz.v3.ExtAuthz', {
    transport_api_version: 'V3',
    http_service: { server_uri: { uri: 'http://a', cluster: 'backend', timeout: '1s' } },
  }),
  named(`${H}.local_ratelimit`, 'http.local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'x',
    token_bucket: { max_tokens: 1000, fill_interval: '60s' },
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    ...ALWAYS,
  }),
  named(`${H}.buffer`, 'http.buffer.v3.Buffer', { max_request_bytes: 100 }),
  named(`${H}.grpc_stats`, 'http.grpc_stats.v3.FilterConfig', { stats_for_all_methods: true }),
  named(`${H}.compressor`, 'http.compressor.v3.Compressor', {
    response_direction_config: { common_config: { min_content_length: 1, content_type: ['text/plain'] } },
    compressor_library: {
      name: 'gzip',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip' },
    },
  }),
  named(`${H}.header_mutation`, 'http.header_mutation.v3.HeaderMutation', addResponse('x-answer', '%REQ(:path)%')),
];

const MANY = Array.from({ length: 60 }, (_, i) => `x-${i}: 1\r\n`).join('');
const END = 'Connection: close\r\n\r\n';
const ORIGIN = 'Origin: http://a.test\r\nAccept-Encoding: gzip\r\n';

const CASES: readonly TwinCase[] = [
  { name: 'no request', send: ['nonsense\r\n\r\n'] },
  { name: 'no Host', send: [`GET / HTTP/1.1\r\n${ORIGIN}${END}`] },
  { name: 'an underscore', send: [`GET / HTTP/1.1\r\nHost: a\r\n${ORIGIN}a_b: 1\r\n${END}`] },
  { name: 'too many headers', send: [`GET / HTTP/1.1\r\nHost: a\r\n${MANY}${ORIGIN}${END}`] },
  { name: 'too large a head', send: [`GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(9000)}\r\n${ORIGIN}${END}`] },
  { name: 'a path that climbs out', send: [`GET /../.. HTTP/1.1\r\nHost: a\r\n${ORIGIN}${END}`] },
  {
    name: 'an escaped slash',
    send: [`GET /a%2fb HTTP/1.1\r\nHost: a\r\n${ORIGIN}${END}`],
    except: { parts: ['headers'], because: 'Envoy refuses the path when it has unescaped it, and shows it so' },
  },
  { name: 'two lengths', send: [`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n${END}`] },
  { name: 'a coding that nobody knows', send: [`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n${END}`] },
  { name: 'HTTP/1.0', send: ['GET / HTTP/1.0\r\n\r\n'] },
  {
    name: 'an upgrade that is not allowed',
    send: [`GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade, close\r\n\r\n`],
  },
  { name: 'refused by a filter', send: [`GET / HTTP/1.1\r\nHost: a\r\n${ORIGIN}${END}`] },
  { name: 'a bad chunk', send: [`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${END}zz\r\n`] },
];

test('answers to what never came to a filter pass the filters as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            filters: FILTERS,
            virtualHost: {
              typed_per_filter_config: {
                [`${H}.cors`]: {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy',
                  allow_origin_string_match: [{ exact: 'http://a.test' }],
                },
              },
            },
            manager: {
              normalize_path: true,
              path_with_escaped_slashes_action: 'REJECT_REQUEST',
              max_request_headers_kb: 8,
              common_http_protocol_options: {
                headers_with_underscores_action: 'REJECT_REQUEST',
                max_headers_count: 50,
              },
            },
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
});
