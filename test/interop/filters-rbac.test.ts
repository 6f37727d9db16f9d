import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, TO_BACKEND, tcpListener } from '../support/envoy-config.ts';
import { converse } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Keys of the dynamic metadata that tell what was decided. */
const METADATA = ['', 'own_'].flatMap((prefix) => [
  `${prefix}enforced_effective_policy_id`,
  `${prefix}enforced_engine_result`,
]);
METADATA.push('shadow_effective_policy_id', 'shadow_engine_result');
METADATA.push('istio_dry_run_allow_shadow_effective_policy_id', 'istio_dry_run_allow_shadow_engine_result');

type Pair = readonly [string, string];

const ANY = [{ any: true }];
const exact = (value: string): JsonObject => ({ exact: value });
const allow = (permissions: JsonObject[], principals: JsonObject[] = ANY): JsonObject => ({
  rules: { policies: { one: { permissions, principals } } },
});
const path = (matcher: JsonObject): JsonObject => ({ url_path: { path: matcher } });
const header = (name: string, more: JsonObject): JsonObject => ({ header: { name, ...more } });

/** Route prefix -> rules. */
const RULES: Readonly<Record<string, JsonObject>> = {
  '/none': {},
  '/empty': { rules: {} },
  '/deny-empty': { rules: { action: 'DENY' } },
  '/path/exact': allow([path(exact('/path/exact'))]),
  '/path/prefix': allow([path({ prefix: '/path/prefix/in' })]),
  '/path/suffix': allow([path({ suffix: '/end' })]),
  '/path/contains': allow([path({ contains: 'mid' })]),
  '/path/regex': allow([path({ safe_regex: { regex: '/path/regex/[0-9]+' } })]),
  '/path/fold': allow([path({ exact: '/PATH/fold', ignore_case: true })]),
  '/template': allow([
    {
      uri_template: {
        name: 'envoy.path.match.uri_template.uri_template_matcher',
        typed_config: any('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', {
          path_template: '/template/*/in/{all=**}',
        }),
      },
    },
  ]),
  '/header/exact': allow([header('x-role', { string_match: exact('admin') })]),
  '/header/present': allow([header('x-role', { present_match: true })]),
  '/header/absent': allow([header('x-role', { present_match: false })]),
  '/header/not': allow([{ not_rule: header('x-role', { string_match: exact('bad') }) }]),
  '/header/invert': allow([header('x-role', { string_match: exact('bad'), invert_match: true })]),
  '/header/missing': allow([
    header('x-role', { string_match: exact('bad'), invert_match: true, treat_missing_header_as_empty: true }),
  ]),
  '/header/prefix': allow([header('x-role', { string_match: { prefix: 'ad' } })]),
  '/header/regex': allow([header('x-role', { string_match: { safe_regex: { regex: 'a.*n' } } })]),
  '/header/range': allow([header('x-role', { range_match: { start: 3, end: 5 } })]),
  '/header/method': allow([header(':method', { string_match: exact('PUT') })]),
  '/header/host': allow([header(':authority', { string_match: { exact: 'A.example', ignore_case: true } })]),
  '/deny/header': {
    rules: {
      action: 'DENY',
      policies: { 'no admins': { permissions: [header('x-role', { string_match: exact('admin') })], principals: ANY } },
    },
  },
  '/deny/not': {
    rules: {
      action: 'DENY',
      policies: {
        other: { permissions: [{ not_rule: header('x-role', { string_match: exact('admin') }) }], principals: ANY },
      },
    },
  },
  '/and': allow([
    { and_rules: { rules: [header('x-a', { present_match: true }), header('x-b', { present_match: true })] } },
  ]),
  '/or': allow([
    { or_rules: { rules: [header('x-a', { present_match: true }), header('x-b', { present_match: true })] } },
  ]),
  '/ip/source': allow(ANY, [{ source_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }]),
  '/ip/other': allow(ANY, [{ source_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } }]),
  '/ip/direct': allow(ANY, [{ direct_remote_ip: { address_prefix: '127.0.0.1', prefix_len: 32 } }]),
  '/ip/remote': allow(ANY, [{ remote_ip: { address_prefix: '192.0.2.0', prefix_len: 24 } }]),
  '/ip/destination': allow([{ destination_ip: { address_prefix: '127.0.0.1', prefix_len: 32 } }]),
  '/ip/elsewhere': allow([{ destination_ip: { address_prefix: '127.0.0.2', prefix_len: 32 } }]),
  '/port/other': allow([{ destination_port: 1 }]),
  '/port/range': allow([{ destination_port_range: { start: 1024, end: 65536 } }]),
  '/port/low': allow([{ destination_port_range: { start: 0, end: 1024 } }]),
  '/sni/none': allow([{ requested_server_name: exact('') }]),
  '/sni/some': allow([{ requested_server_name: exact('a') }]),
  '/tls': allow(ANY, [{ authenticated: {} }]),
  '/tls/name': allow(ANY, [{ authenticated: { principal_name: { prefix: 'spiffe://' } } }]),
  '/principal/header': allow(ANY, [header('x-user', { string_match: exact('alice') })]),
  '/principal/path': allow(ANY, [{ url_path: { path: { suffix: '/mine' } } }]),
  '/principal/not': allow(ANY, [{ not_id: header('x-user', { string_match: exact('eve') }) }]),
  '/principal/and': allow(ANY, [
    { and_ids: { ids: [header('x-user', { present_match: true }), header('x-group', { present_match: true })] } },
  ]),
  '/principal/or': allow(ANY, [
    { or_ids: { ids: [header('x-user', { present_match: true }), header('x-group', { present_match: true })] } },
  ]),
  '/metadata': allow(ANY, [
    { metadata: { filter: 'envoy.common', path: [{ key: 'access_log_hint' }], value: { bool_match: true } } },
  ]),
  '/state': allow(ANY, [{ filter_state: { key: 'who', string_match: exact('alice') } }]),
  '/upstream': allow([
    {
      matcher: {
        name: 'envoy.rbac.matchers.upstream_ip_port',
        typed_config: any('envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher', {
          upstream_port_range: { start: 1, end: 65535 },
        }),
      },
    },
  ]),
  '/order': {
    rules: {
      action: 'DENY',
      policies: {
        b: { permissions: ANY, principals: ANY },
        'a second': { permissions: [header('x-a', { present_match: true })], principals: ANY },
      },
    },
  },
  '/log': {
    rules: {
      action: 'LOG',
      policies: { hint: { permissions: [header('x-a', { present_match: true })], principals: ANY } },
    },
  },
  '/shadow': {
    shadow_rules: { policies: { try: { permissions: [header('x-a', { present_match: true })], principals: ANY } } },
    shadow_rules_stat_prefix: 'istio_dry_run_allow_',
  },
  '/both': {
    ...allow([header('x-a', { present_match: true })]),
    rules_stat_prefix: 'own_',
    shadow_rules: { action: 'DENY', policies: { try: { permissions: ANY, principals: ANY } } },
  },
};

const ROUTES = Object.entries(RULES)
  .sort(([a], [b]) => b.length - a.length)
  .map(([prefix, rbac]) => ({
    match: { prefix },
    route: { cluster: 'backend' },
    typed_per_filter_config: { 'envoy.filters.http.rbac': any('http.rbac.v3.RBACPerRoute', { rbac }) },
  }));

/** Path, headers, status. */
const TABLE: readonly (readonly [string, readonly Pair[], number])[] = [
  ['/none', [], 200],
  ['/empty', [], 403],
  ['/deny-empty', [], 200],
  ['/path/exact', [], 200],
  ['/path/exact?q=1', [], 200],
  ['/path/exact/', [], 403],
  ['/path/exact;a=b', [], 403],
  ['/path/Exact', [], 403],
  ['/path/exac%74', [], 403],
  ['/path/prefix/inside', [], 200],
  ['/path/prefix/out?/path/prefix/in', [], 403],
  ['/path/suffix/end', [], 200],
  ['/path/suffix?x=/end', [], 403],
  ['/path/suffix/end?x', [], 200],
  ['/path/contains/amidst', [], 200],
  ['/path/contains?mid', [], 403],
  ['/path/regex/12', [], 200],
  ['/path/regex/12a', [], 403],
  ['/path/regex/12?a', [], 200],
  ['/path/fold', [], 200],
  ['/template/a/in/b/c', [], 200],
  ['/template/a/in/', [], 200],
  ['/template/a/b/in/c', [], 403],
  ['/template/a/in/b?x', [], 200],
  ['/header/exact', [['x-role', 'admin']], 200],
  ['/header/exact', [['X-Role', 'admin ']], 200],
  ['/header/exact', [['x-role', 'Admin']], 403],
  ['/header/exact', [], 403],
  ['/header/present', [['x-role', '']], 200],
  ['/header/present', [], 403],
  ['/header/absent', [], 200],
  ['/header/absent', [['x-role', 'a']], 403],
  ['/header/not', [], 200],
  ['/header/not', [['x-role', 'bad']], 403],
  ['/header/not', [['x-role', 'good']], 200],
  ['/header/invert', [], 403],
  ['/header/invert', [['x-role', 'good']], 200],
  ['/header/missing', [], 200],
  ['/header/invert', [['x-role', 'bad']], 403],
  ['/header/prefix', [['x-role', 'admin']], 200],
  ['/header/regex', [['x-role', 'admin']], 200],
  ['/header/regex', [['x-role', 'admins']], 403],
  ['/header/range', [['x-role', '4']], 200],
  ['/header/range', [['x-role', '5']], 403],
  ['/header/range', [['x-role', '4x']], 403],
  ['/header/method', [], 403],
  ['/header/host', [['host', 'a.EXAMPLE']], 200],
  ['/header/host', [['host', 'a.example:80']], 403],
  ['/deny/header', [['x-role', 'admin']], 403],
  ['/deny/header', [], 200],
  ['/deny/not', [['x-role', 'admin']], 200],
  ['/deny/not', [], 403],
  [
    '/and',
    [
      ['x-a', '1'],
      ['x-b', '1'],
    ],
    200,
  ],
  ['/and', [['x-a', '1']], 403],
  ['/or', [['x-b', '1']], 200],
  ['/or', [], 403],
  ['/ip/source', [], 200],
  ['/ip/other', [], 403],
  ['/ip/direct', [['x-forwarded-for', '192.0.2.1']], 200],
  ['/ip/remote', [['x-forwarded-for', '192.0.2.1']], 200],
  ['/ip/remote', [['x-forwarded-for', '192.0.3.1']], 403],
  ['/ip/remote', [], 403],
  ['/ip/destination', [], 200],
  ['/ip/elsewhere', [], 403],
  ['/port/other', [], 403],
  ['/port/range', [], 200],
  ['/port/low', [], 403],
  ['/sni/none', [], 200],
  ['/sni/some', [], 403],
  ['/tls', [], 403],
  ['/tls/name', [], 403],
  ['/principal/header', [['x-user', 'alice']], 200],
  ['/principal/header', [], 403],
  ['/principal/path/mine', [], 200],
  ['/principal/path', [], 403],
  ['/principal/not', [['x-user', 'eve']], 403],
  ['/principal/not', [], 200],
  ['/principal/and', [['x-user', 'a']], 403],
  [
    '/principal/and',
    [
      ['x-user', 'a'],
      ['x-group', 'b'],
    ],
    200,
  ],
  ['/principal/or', [['x-group', 'b']], 200],
  ['/metadata', [], 403],
  ['/state', [], 403],
  ['/upstream', [], 403],
  ['/order', [['x-a', '']], 403],
  ['/order', [], 403],
  ['/log', [['x-a', '']], 200],
  ['/log', [], 200],
  ['/shadow', [['x-a', '']], 200],
  ['/shadow', [], 200],
  ['/both', [['x-a', '']], 200],
  ['/both', [], 403],
];

/** Several headers of one name must not slip through a rule about one. */
const REPEATED: readonly (readonly [string, readonly string[]])[] = [
  ['/header/exact', ['admin', 'user']],
  ['/header/exact', ['user', 'admin']],
  ['/header/exact', ['user', 'other']],
  ['/header/not', ['good', 'bad']],
  ['/header/not', ['bad', 'bad']],
  ['/header/invert', ['good', 'bad']],
  ['/header/invert', ['bad', 'bad']],
  ['/header/invert', ['good', 'fine']],
  ['/header/prefix', ['x', 'admin']],
  ['/header/regex', ['ab', 'cn']],
  ['/header/regex', ['x', 'an']],
  ['/header/range', ['4', '9']],
  ['/header/range', ['9', '4']],
  ['/deny/header', ['user', 'admin']],
  ['/deny/not', ['user', 'admin']],
  ['/deny/not', ['admin', 'admin']],
];

const CASES: readonly TwinCase[] = [
  ...TABLE.map(
    ([target, headers, status]): TwinCase => ({
      name: `${target} ${headers.map((h) => h.join(': ')).join(', ')} -> ${status}`,
      send: { path: target, headers },
      want: status === 403 ? { status, body: 'RBAC: access denied', upstream: 0 } : { status, upstream: 1 },
    }),
  ),
  ...REPEATED.map(
    ([target, values]): TwinCase => ({
      name: `${target} with ${values.join(' and ')}`,
      send: { path: target, headers: values.map((v) => ['x-role', v] as const) },
    }),
  ),
  {
    name: 'refused gRPC',
    send: { method: 'POST', path: '/empty', headers: [['content-type', 'application/grpc']] },
    want: { status: 200, headers: { 'grpc-status': '7' } },
  },
  { name: 'refused HEAD', send: { method: 'HEAD', path: '/empty' }, want: { status: 403 } },
  { name: 'refused with body', send: { method: 'POST', path: '/empty', body: 'abc' }, want: { status: 403 } },
  { name: 'rules of the filter', send: { path: '/' }, want: { status: 403, log: /matched_policy\[none\]/ } },
  {
    name: 'name of the policy that refuses',
    send: { path: '/deny/header', headers: [['x-role', 'admin']] },
    want: { log: /matched_policy\[no_admins\]/ },
  },
];

test('RBAC of requests as Envoy judges', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat: `${METADATA.map((key) => `%DYNAMIC_METADATA(envoy.filters.http.rbac:${key})%`).join(' ')} %DYNAMIC_METADATA(envoy.common)%`,
            filters: [
              named('envoy.filters.http.rbac', 'http.rbac.v3.RBAC', {
                ...allow([path(exact('/own'))]),
                rules_stat_prefix: 'held_',
                shadow_rules_stat_prefix: 'tried_',
              }),
            ],
            routes: [...ROUTES, TO_BACKEND],
          }),
        ],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('statistics', async () => {
    const stats = async (twin: (typeof twins)['envoy']) => (await twin.admin('/stats?filter=rbac')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});

const TCP_RULES: Readonly<Record<string, JsonObject>> = {
  allowed: allow(ANY, [{ source_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }]),
  refused: allow(ANY, [{ direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } }]),
  denied: { rules: { action: 'DENY', policies: { 'not here': { permissions: ANY, principals: ANY } } } },
  port: allow([{ destination_port_range: { start: 1024, end: 65536 } }]),
  path: allow([path({ prefix: '/' })]),
  shadow: { shadow_rules: { policies: {} }, shadow_rules_stat_prefix: 'try_' },
  none: {},
  continuous: { ...allow(ANY), enforcement_type: 'CONTINUOUS' },
};

test('RBAC of connections as Envoy judges', { skip: withoutReference }, async (t) => {
  const listeners = Object.keys(TCP_RULES);
  const twins = await twinProxies(t, {
    listeners,
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(TCP_RULES).map(([name, rules]) =>
          tcpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters: [named('envoy.filters.network.rbac', 'network.rbac.v3.RBAC', { stat_prefix: 'tcp.', ...rules })],
          }),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
  for (const name of ['refused', 'denied', 'path']) {
    await t.test(`${name}: the connection is closed`, async () => {
      const seen = [];
      for (const twin of [twins.envoy, twins.isthmus]) {
        const received = await converse(twin.env.port(name), request);
        const log = await twin.logLines(name);
        seen.push({
          received,
          log: log.map((line) => line.split(' ').slice(2)),
          upstream: twin.backends.get('backend')!.take(),
        });
      }
      assert.match(seen[0].log[0][1], /^rbac_access_denied_matched_policy/);
      assert.deepEqual(seen[1], seen[0]);
    });
  }
  const plain = (listener: string): TwinCase => ({ name: `${listener}: bytes pass`, listener, send: [request] });
  await compare(t, twins, ['allowed', 'port', 'shadow', 'none', 'continuous'].map(plain));
  await t.test('statistics', async () => {
    const stats = async (twin: (typeof twins)['envoy']) => (await twin.admin('/stats?filter=rbac')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
