import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** `field message` of what is wrong, `~` before a warning, with a filter of this kind, type and configuration. */
function said(kind: string, type: string, config: unknown): string[] {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  const below = {
    HttpFilter: 'httpFilterConfig',
    RouteFilter: 'routeFilterConfig',
    PolicyOverlay: 'policyOverlayConfig',
  };
  const field = below[kind as keyof typeof below];
  const spec = { name: 'f', type, ...(field === undefined ? { config: text } : { [field]: { config: text } }) };
  const object = { apiVersion: 'enroute.saaras.io/v1', kind, metadata: { name: 'f', namespace: 'n' }, spec };
  const [file] = checkSources([{ name: 'f.yaml', text: JSON.stringify(object) }]);
  const line = ({ field: at = '', message }: { field?: string; message: string }) =>
    `${at.replace(/^spec\./, '')} ${message}`;
  return [...file!.errors.map(line), ...file!.warnings.map((w) => `~${line(w)}`)];
}

const table: readonly (readonly [string, string, unknown, ...RegExp[]])[] = [
  ['HttpFilter', 'vh_filter_cors', { match_condition: { regex: '.*' }, access_control_max_age: '60s' }],
  [
    'HttpFilter',
    'vh_filter_cors',
    { match_condition: { regex: '*' } },
    /Config\.config match_condition\.regex is not a/,
  ],
  ['HttpFilter', 'vh_filter_cors', { allow: 'x' }, /Config\.config allow is an unknown field/],
  [
    'HttpFilter',
    'http_filter_lua',
    'function envoy_on_request(h) end',
    /^~type http_filter_lua is not supported: Lua.*503/,
  ],
  ['HttpFilter', 'vh_filter_lua', '', /^~type vh_filter_lua is not supported/],
  ['HttpFilter', 'http_filter_wasm', { url: 'x' }, /^~type http_filter_wasm is not supported/],
  ['HttpFilter', 'http_filter_jtw', {}, /^~type http_filter_jtw is no type of filter.*http_filter_jwt.*503/],
  ['HttpFilter', 'http_filter_jwt', { name: 'a', jwks_uri: 'https://a/k', issuer: 'i', route: [{ prefix: '/' }] }],
  ['HttpFilter', 'http_filter_jwt', { name: 'a', jwks_uri: 'a/k' }, /jwks_uri must be an http/, /issuer is required/],
  ['HttpFilter', 'http_filter_jwt', '{', /Config\.config is not JSON/],
  ['HttpFilter', 'http_filter_extauthz', { url: 'http://auth.default:9000', status_on_error: 403 }],
  ['HttpFilter', 'http_filter_extauthz', { url: 'auth' }, /url must be/],
  ['HttpFilter', 'http_filter_healthcheck', { path: '/healthz' }],
  ['HttpFilter', 'http_filter_healthcheck', {}, /path is required/],
  ['HttpFilter', 'http_filter_accesslog', ''],
  ['HttpFilter', 'http_filter_ratelimit', { unit: 'second', requests_per_unit: 1 }],
  ['HttpFilter', 'http_filter_ratelimit', { unit: 'week', requests_per_unit: 1 }, /unit must be one of/],
  ['HttpFilter', 'vh_filter_rbac', { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/x'] } }] }] }],
  ['HttpFilter', 'vh_filter_rbac', {}, /rules is required/],
  [
    'HttpFilter',
    'custom_response',
    { custom_response_override: [{ match_status_code: 503, update_status_code: 502 }] },
  ],
  ['HttpFilter', 'route_filter_redirect', {}, /type is a filter of another kind of object: RouteFilter/],
  ['RouteFilter', 'route_filter_redirect', { host: 'b.example', response_code: 302 }],
  ['RouteFilter', 'route_filter_redirect', { path_redirect: '/a', prefix_rewrite: '/b' }, /only one of path_redirect/],
  ['RouteFilter', 'route_filter_directresponse', { response_code: 418 }],
  ['RouteFilter', 'route_filter_directreponse', { response_code: 418 }],
  ['RouteFilter', 'route_filter_directresponse', {}, /response_code is required/],
  ['RouteFilter', 'route_filter_circuitbreakers', { max_connections: 1 }],
  ['RouteFilter', 'route_filter_circuitbreakers', { max_connections: '-' }, /max_connections must be a whole number/],
  ['RouteFilter', 'route_filter_outlierdetection', { consecutive_5xx: 3, enforcing_consecutive_5xx: 100 }],
  ['RouteFilter', 'route_filter_host_rewrite', { pattern_regex: '^/(.+)$', substitution: '\\1' }],
  ['RouteFilter', 'route_filter_ratelimit', { descriptors: [{ generic_key: { descriptor_value: 'a' } }] }],
  ['RouteFilter', 'route_filter_ratelimit', { descriptors: [] }, /descriptors must have at least 1 entry/],
  ['PolicyOverlay', 'http_filter_healthcheck', { path: '/healthz' }],
  ['GlobalConfig', 'globalconfig_globals', { istio_enabled: true }],
  ['GlobalConfig', 'globalconfig_globals', { istio: true }, /config istio is an unknown field/],
  [
    'GlobalConfig',
    'globalconfig_ratelimit',
    { domain: 'enroute', descriptors: [{ key: 'a', rate_limit: { unit: 'hour', requests_per_unit: 5 } }] },
  ],
  ['GlobalConfig', 'globalconfig_accesslog', { json_format: { status: '%RESPONSE_CODE%' } }],
];

describe('a filter', () => {
  for (const [kind, type, config, ...expected] of table) {
    test(`${kind} ${type} ${JSON.stringify(config)}`, () => {
      const found = said(kind, type, config);
      assert.equal(found.length, expected.length, found.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
    });
  }
});
