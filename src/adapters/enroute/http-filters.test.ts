import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { host, httpFilter, made, patches, rules, to } from '../../../test/support/enroute-adapter.ts';

type Json = Record<string, unknown>;

const withFilter = (type: string, config: unknown, more: object = {}) =>
  made(['GatewayHost web', host([to()])], ['HttpFilter f', { ...httpFilter(type, config), ...more }]);
/** What the only HTTP filter, or the connection manager, is configured with. */
const configOf = (result: ReturnType<typeof made>, applyTo = 'HTTP_FILTER') =>
  (patches(result, applyTo)[0]!.value as unknown as { typed_config: Json }).typed_config;
const cluster = 'outbound|80||api.default.svc.cluster.local';

describe('filters of all hosts', () => {
  test('http_filter_jwt, with keys by way of a service', () => {
    const config = {
      name: 'p',
      jwks_uri: 'http://keys/k',
      issuer: 'i',
      audience: 'a',
      jwt_service_name: 'api',
      jwt_service_port: '80',
    };
    const result = withFilter('http_filter_jwt', {
      ...config,
      route: [{ prefix: '/x' }],
      jwt_forward_header_name: 'h',
    });
    assert.deepEqual(result.warnings, []);
    const { providers, rules: required } = configOf(result);
    assert.deepEqual(providers, {
      p: {
        issuer: 'i',
        audiences: ['a'],
        remote_jwks: {
          http_uri: { uri: 'http://keys/k', cluster, timeout: '5s' },
          async_fetch: { fast_listener: true },
        },
        forward: true,
        forward_payload_header: 'h',
      },
    });
    assert.deepEqual(required, [{ match: { prefix: '/x' }, requires: { provider_name: 'p' } }]);
  });

  test('http_filter_jwt over https looks at the certificate of whoever has the keys', () => {
    const config = { name: 'p', jwks_uri: 'https://keys.example/k', issuer: 'i' };
    const result = withFilter('http_filter_jwt', config, { services: { name: 'web', port: 443, protocol: 'tls' } });
    assert.deepEqual(result.warnings, []);
    const [subset] = result.list('DestinationRule')[0]!.spec.subsets as { trafficPolicy: { tls: object } }[];
    const name = 'keys.example';
    assert.deepEqual(subset!.trafficPolicy.tls, { mode: 'SIMPLE', sni: name, subjectAltNames: [name] });
  });

  test('http_filter_jwt without a service closes every host', () => {
    const result = withFilter('http_filter_jwt', { name: 'p', jwks_uri: 'https://keys.example/k', issuer: 'i' });
    assert.match(rules(result)[0]!, /^\/ -> 503 enroute: HttpFilter default\/f: needs jwt_service_name/);
  });

  test('http_filter_extauthz over HTTP and over gRPC', () => {
    const web = configOf(
      withFilter('http_filter_extauthz', { url: 'http://default.api:80', path_prefix: '/auth', timeout: 2 }),
    );
    assert.deepEqual(web.http_service, {
      server_uri: { uri: 'http://default.api', cluster, timeout: '2s' },
      path_prefix: '/auth',
      authorization_response: { allowed_upstream_headers: { patterns: [] } },
    });
    assert.deepEqual([web.failure_mode_allow, web.status_on_error], [false, { code: 403 }]);
    const result = withFilter('http_filter_extauthz', {
      url: 'grpc://default.api:80',
      body_max_bytes: 10,
      failure_mode_allow: true,
    });
    const rpc = configOf(result);
    const [subset] = result.list('DestinationRule').find(({ at }) => at.includes('api'))!.spec.subsets as {
      trafficPolicy: Json;
    }[];
    assert.deepEqual(subset!.trafficPolicy.connectionPool, { http: { h2UpgradePolicy: 'UPGRADE' } });
    assert.match(
      JSON.stringify(rpc.grpc_service),
      /"cluster_name":"outbound\|80\|enroute-\w{16}\|api\.default\.svc\.cluster\.local"/,
    );
    assert.equal(rpc.failure_mode_allow, true);
    assert.deepEqual(rpc.with_request_body, {
      max_request_bytes: 10,
      allow_partial_message: false,
      pack_as_bytes: false,
    });
  });

  test('http_filter_extauthz over https takes how a certificate is checked from services', () => {
    const validation = { caSecret: 'authority', subjectName: 'api.example' };
    const services = { name: 'web', port: 443, validation };
    const checked = withFilter('http_filter_extauthz', { url: 'https://default.web' }, { services });
    assert.deepEqual(checked.warnings, []);
    const unchecked = withFilter('http_filter_extauthz', { url: 'https://default.web' });
    assert.match(unchecked.warnings[0]!, /sends to web without looking at its certificate/);
  });

  test('http_filter_healthcheck comes first', () => {
    const result = withFilter('http_filter_healthcheck', { path: '/h' });
    assert.deepEqual(configOf(result).headers, [{ name: ':path', string_match: { exact: '/h' } }]);
  });

  test('http_filter_ratelimit, and what it cannot be', () => {
    const { token_bucket: bucket } = configOf(
      withFilter('http_filter_ratelimit', { unit: 'MINUTE', requests_per_unit: 3 }),
    );
    assert.deepEqual(bucket, { max_tokens: 3, tokens_per_fill: 3, fill_interval: '60s' });
    const none = withFilter('http_filter_ratelimit', { unit: 'second', requests_per_unit: 0 });
    assert.match(rules(none)[0]!, /503 .*requests_per_unit: must be at least 1/);
  });

  test('http_filter_accesslog and custom_response change the connection manager', () => {
    const log = configOf(
      withFilter('http_filter_accesslog', { json_format: { s: '%RESPONSE_CODE%' } }),
      'NETWORK_FILTER',
    );
    assert.match(
      JSON.stringify(log.access_log),
      /"path":"\/dev\/stdout","log_format":\{"json_format":\{"s":"%RESPONSE_CODE%"\}\}/,
    );
    const override = { match_status_code: 503, update_status_code: 502, update_response_body: { text_format: 'x' } };
    const replies = configOf(withFilter('custom_response', { custom_response_override: [override] }), 'NETWORK_FILTER');
    const { mappers } = replies.local_reply_config as { mappers: Json[] };
    assert.equal(mappers[0]!.status_code, 502);
    assert.deepEqual(mappers[0]!.body_format_override, { text_format_source: { inline_string: 'x' } });
  });

  test('what has no effect is told of', () => {
    const services = { name: 'web', port: 80 };
    const { warnings } = withFilter('http_filter_healthcheck', { path: '/h' }, { services });
    assert.match(warnings[0]!, /spec\.services have no effect on a filter of type http_filter_healthcheck/);
    const linkerd = made(
      ['GatewayHost web', host([to()])],
      ['GlobalConfig g', { type: 'globalconfig_globals', config: '{"linkerd_enabled": true}' }],
    );
    assert.match(linkerd.warnings[0]!, /linkerd_enabled, which has no effect/);
  });
});
