import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, named, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compareRows, type TwinRow } from '../support/twin-rows.ts';

/** Fields of routes that no other test of this folder needs, each with requests that it matters to. */

const OWN: JsonObject = { route: { cluster: 'own' } };
const mark = (value: string): JsonObject => ({ request_headers_to_add: [{ header: { key: 'x-route', value } }] });
/** One route with a match, and another for the rest. */
const matching = (match: JsonObject): readonly JsonObject[] => [
  { match: { prefix: '/', ...match }, ...OWN, ...mark('matched') },
  { match: { prefix: '/' }, ...OWN },
];
const header = (test: JsonObject) => matching({ headers: [{ name: 'x-a', ...test }] });
const A = (...values: string[]): TwinRow['send'] => [
  {},
  ...values.map((value) => ({ headers: [['x-a', value] as const] })),
];
const VALUES = A('', 'one', 'One', 'oneself', 'someone', '1', 'one,two');
const add = (key: string, value: string, more: JsonObject = {}): JsonObject => ({ header: { key, value }, ...more });
const answered = (status: number, headers: readonly (readonly [string, string])[] = []) =>
  encodeMessage(`HTTP/1.1 ${status} Whatever`, headers, 'answer');

/** Hosts of a cluster by their metadata, each answering with a name. */
const subset = (name: string, ports: readonly (readonly [string, number])[]): JsonObject => ({
  load_assignment: {
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: ports.map(([version, port]) => ({
          endpoint: { address: socketAddress(port) },
          metadata: { filter_metadata: { 'envoy.lb': { version } } },
        })),
      },
    ],
  },
  lb_subset_config: { fallback_policy: 'NO_FALLBACK', subset_selectors: [{ keys: ['version'] }] },
});
const version = (value: string): JsonObject => ({
  metadata_match: { filter_metadata: { 'envoy.lb': { version: value } } },
});

const ROWS: readonly TwinRow[] = [
  // Matching, in the words of before string_match as well.
  { name: 'exact_match', routes: header({ exact_match: 'one' }), send: VALUES },
  { name: 'safe_regex_match', routes: header({ safe_regex_match: { google_re2: {}, regex: 'o.e' } }), send: VALUES },
  { name: 'prefix_match', routes: header({ prefix_match: 'one' }), send: VALUES },
  { name: 'suffix_match', routes: header({ suffix_match: 'one' }), send: VALUES },
  { name: 'contains_match', routes: header({ contains_match: 'ne' }), send: VALUES },
  { name: 'exact_match, inverted', routes: header({ exact_match: 'one', invert_match: true }), send: VALUES },
  {
    name: 'range_match, inverted',
    routes: header({ range_match: { start: '0', end: '2' }, invert_match: true }),
    send: VALUES,
  },
  {
    name: 'treat_missing_header_as_empty',
    routes: header({ string_match: { prefix: 'x' }, invert_match: true, treat_missing_header_as_empty: true }),
    send: VALUES,
  },
  {
    name: 'max_program_size',
    routes: header({ string_match: { safe_regex: { google_re2: { max_program_size: 200 }, regex: '[a-z]{2,4}' } } }),
    send: VALUES,
  },
  { name: 'tls_context: presented', routes: matching({ tls_context: { presented: false } }), send: [{}] },
  { name: 'tls_context: validated', routes: matching({ tls_context: { validated: false } }), send: [{}] },
  {
    name: 'dynamic_metadata',
    routes: matching({
      dynamic_metadata: [{ filter: 'a', path: [{ key: 'b' }], value: { null_match: {} }, invert: true }],
    }),
    send: [{}],
  },
  {
    name: 'ignore_port_in_host_matching',
    routeConfig: { ignore_port_in_host_matching: true },
    virtualHost: { domains: ['a.test'] },
    send: ['a.test', 'a.test:80', 'b.test', 'a.test:', 'A.TEST:1', 'b.test:a.test'].map((host) => ({
      headers: [['host', host]],
    })),
  },
  {
    name: 'ignore_path_parameters_in_path_matching',
    routeConfig: { ignore_path_parameters_in_path_matching: true },
    routes: [
      { match: { path: '/a' }, ...OWN, ...mark('path') },
      { match: { safe_regex: { regex: '/r/[a-z]+' } }, ...OWN, ...mark('regex') },
      { match: { prefix: '/p/q' }, ...OWN, ...mark('prefix') },
    ],
    send: [
      '/a',
      '/a;x=1',
      '/a;x?y',
      '/a?y;x',
      '/r/b;c',
      '/p;x/q',
      '/p/q;x',
      '/p;a;b/q',
      '/p/;x/q',
      '/p;?/q',
      '/a/;x',
      ';x/a',
      '/r/;/b',
    ].map((path) => ({ path })),
  },
  {
    name: 'non_forwarding_action',
    routes: [{ match: { prefix: '/' }, non_forwarding_action: {} }],
    send: [{}, { path: '/a' }],
  },
  {
    name: 'runtime_fraction',
    routes: matching({ runtime_fraction: { default_value: { numerator: 0 }, runtime_key: 'route.share' } }),
    send: [{}],
  },
  // Rewriting.
  {
    name: 'path_rewrite_policy',
    routes: [
      {
        match: {
          path_match_policy: named(
            'envoy.path.match.uri_template.uri_template_matcher',
            'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig',
            { path_template: '/a/{b}/{c=**}' },
          ),
        },
        route: {
          cluster: 'own',
          path_rewrite_policy: named(
            'envoy.path.rewrite.uri_template.uri_template_rewriter',
            'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig',
            { path_template_rewrite: '/{c}/of/{b}' },
          ),
        },
      },
    ],
    send: ['/a/1/2/3?q', '/a/1/', '/b'].map((path) => ({ path })),
  },
  {
    name: 'auto_host_rewrite',
    action: { auto_host_rewrite: true },
    cluster: (env) => ({
      type: 'STRICT_DNS',
      load_assignment: {
        cluster_name: 'own',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(env.port('backend'), 'localhost') } }] }],
      },
      dns_lookup_family: 'V4_ONLY',
    }),
    send: [{}, { headers: [['host', 'a.test:80']] }],
  },
  {
    name: 'auto_host_rewrite and append_x_forwarded_host',
    action: { auto_host_rewrite: true, append_x_forwarded_host: true },
    cluster: (env) => ({
      type: 'STRICT_DNS',
      load_assignment: {
        cluster_name: 'own',
        endpoints: [
          {
            lb_endpoints: [
              { endpoint: { address: socketAddress(env.port('backend'), 'localhost'), hostname: 'named.test' } },
            ],
          },
        ],
      },
      dns_lookup_family: 'V4_ONLY',
    }),
    send: [
      {},
      {
        headers: [
          ['host', 'a.test:80'],
          ['x-forwarded-host', 'b'],
        ],
      },
    ],
  },
  // Where to.
  {
    name: 'weighted_clusters by a header',
    routes: [
      {
        match: { prefix: '/' },
        route: {
          weighted_clusters: {
            clusters: [
              {
                cluster_header: 'x-cluster',
                weight: 10,
                request_headers_to_add: [add('x-w', '1')],
                request_headers_to_remove: ['x-b'],
                response_headers_to_add: [add('x-w', '2')],
                response_headers_to_remove: ['x-backend'],
                host_rewrite_literal: 'weighted.test',
              },
            ],
            total_weight: 10,
            runtime_key_prefix: 'weights',
          },
        },
      },
    ],
    send: [
      {
        headers: [
          ['x-cluster', 'own'],
          ['x-b', '1'],
        ],
      },
      {
        headers: [
          ['x-cluster', 'other'],
          ['x-b', '1'],
        ],
      },
      { headers: [['x-cluster', 'none']] },
      {},
    ],
  },
  {
    name: 'cluster_header that is not there',
    routes: [
      {
        match: { prefix: '/' },
        route: { cluster_header: 'x-cluster' },
        response_headers_to_add: [add('x-route', '1')],
        request_headers_to_add: [add('x-route', '1')],
      },
    ],
    virtualHost: { response_headers_to_add: [add('x-host', '1')] },
    send: [
      {},
      { headers: [['x-cluster', 'none']] },
      { headers: [['x-cluster', 'other']] },
      { headers: [['x-cluster', '']] },
    ],
  },
  {
    name: 'metadata_match',
    action: version('b'),
    cluster: (env, name) =>
      subset(name, [
        ['a', env.port('backend')],
        ['b', env.port('other')],
      ]),
    send: [{}, {}, {}],
  },
  {
    name: 'metadata_match of nobody',
    action: version('c'),
    cluster: (env, name) =>
      subset(name, [
        ['a', env.port('backend')],
        ['b', env.port('other')],
      ]),
    send: [{}],
  },
  {
    name: 'metadata_match of a weighted cluster',
    routes: [
      {
        match: { prefix: '/' },
        route: { weighted_clusters: { clusters: [{ name: 'own', weight: 1, ...version('b') }] } },
      },
    ],
    cluster: (env, name) =>
      subset(name, [
        ['a', env.port('backend')],
        ['b', env.port('other')],
      ]),
    send: [{}, {}],
  },
  {
    name: 'cluster_not_found_response_code',
    action: { cluster: 'none', cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' },
    routeConfig: { validate_clusters: false },
    send: [{}],
  },
  {
    name: 'request_mirror_policies of the route configuration',
    routeConfig: { request_mirror_policies: [{ cluster: 'other' }] },
    send: [{ method: 'POST', body: 'a' }],
  },
  {
    name: 'request_mirror_policies of the virtual host',
    routeConfig: { request_mirror_policies: [{ cluster: 'third' }] },
    virtualHost: {
      request_mirror_policies: [
        { cluster: 'other', runtime_fraction: { default_value: { numerator: 100 }, runtime_key: 'none' } },
      ],
    },
    send: [{}],
  },
  {
    name: 'disable_shadow_host_suffix_append',
    action: { request_mirror_policies: [{ cluster: 'other', disable_shadow_host_suffix_append: true }] },
    send: [{}, { headers: [['host', 'a.test:80']] }],
  },
  {
    name: 'trace_sampled',
    action: { request_mirror_policies: [{ cluster: 'other', trace_sampled: false }] },
    send: [{}],
  },
  {
    name: 'cluster_header of a mirror',
    action: { request_mirror_policies: [{ cluster_header: 'x-mirror' }] },
    send: [{ headers: [['x-mirror', 'other']] }],
  },
  {
    name: 'a mirror without its header',
    action: { request_mirror_policies: [{ cluster_header: 'x-mirror' }] },
    route: mark('m'),
    send: [{}, { headers: [['x-mirror', 'none']] }],
  },
  // Answers and refusals.
  {
    name: 'require_tls: ALL',
    virtualHost: { require_tls: 'ALL' },
    send: [
      { path: '/a?b' },
      { headers: [['host', 'a.test:80']] },
      { headers: [['x-forwarded-proto', 'https']] },
      { method: 'POST', body: 'a' },
    ],
  },
  {
    name: 'require_tls: EXTERNAL_ONLY',
    virtualHost: { require_tls: 'EXTERNAL_ONLY' },
    manager: {
      use_remote_address: true,
      internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
    },
    send: [{ path: '/a?b' }, { headers: [['x-forwarded-proto', 'https']] }],
  },
  {
    name: 'max_direct_response_body_size_bytes',
    routeConfig: { max_direct_response_body_size_bytes: 5000 },
    routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'x'.repeat(4500) } } }],
    send: [{}],
  },
  {
    name: 'a body of bytes',
    routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_bytes: 'YWJj' } } }],
    send: [{}],
  },
  {
    name: 'a body of the environment',
    routes: [
      { match: { prefix: '/' }, direct_response: { status: 200, body: { environment_variable: 'REFERENCE_BIN' } } },
    ],
    send: [{}],
  },
  // Retries.
  {
    name: 'retry_policy of the virtual host',
    virtualHost: {
      retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.005s' } },
      include_request_attempt_count: true,
      include_attempt_count_in_response: true,
    },
    log: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
    send: [{ answer: answered(503) }, { answer: answered(200) }],
  },
  {
    name: 'per_request_buffer_limit_bytes of the virtual host',
    virtualHost: {
      per_request_buffer_limit_bytes: 10,
      retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '0.005s' } },
    },
    send: [
      { method: 'POST', body: 'x'.repeat(20), answer: answered(503) },
      { method: 'POST', body: 'x', answer: answered(503) },
    ],
  },
  {
    name: 'stat_prefix',
    route: { stat_prefix: 'own' },
    send: [{}, { answer: answered(503) }],
    stats: ['vhost.all.route.own'],
  },
  {
    name: 'virtual_clusters',
    virtualHost: {
      virtual_clusters: [{ name: 'posts', headers: [{ name: ':method', string_match: { exact: 'POST' } }] }],
    },
    log: '%VIRTUAL_CLUSTER_NAME%',
    send: [{}, { method: 'POST' }],
  },
  {
    name: 'priority',
    action: { priority: 'HIGH' },
    cluster: { circuit_breakers: { thresholds: [{ priority: 'HIGH', max_requests: 0 }] } },
    send: [{}],
  },
];

test('fields of routes change what Envoy and ours answer', { skip: withoutReference }, async (t) => {
  await compareRows(t, ROWS, {
    backends: () => ({
      other: (request) => encodeMessage('HTTP/1.1 200 OK', [['x-backend', 'other']], request.startLine),
      third: () => encodeMessage('HTTP/1.1 200 OK', [['x-backend', 'third']], ''),
    }),
    clusters: (env) => [cluster('other', env.backend('other')), cluster('third', env.backend('third'))],
    bootstrap: () => ({ layered_runtime: { layers: [{ name: 'static', static_layer: { 'route.share': 100 } }] } }),
  });
});
