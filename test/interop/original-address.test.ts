import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, named, TO_BACKEND } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, start, type TwinCase, type TwinOptions, twinProxies } from '../support/twin-proxies.ts';

/** Where a request came from, as extensions tell it, and what is done to its headers before anything else. */

const xff = (fields: JsonObject): JsonObject =>
  named('xff', 'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig', fields);
const custom = (fields: JsonObject): JsonObject =>
  named('header', 'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig', {
    header_name: 'X-Origin',
    ...fields,
  });
const detect = (...extensions: JsonObject[]): JsonObject => ({
  original_ip_detection_extensions: extensions,
  internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
});
const range = (address_prefix: string, prefix_len: number) => ({ address_prefix, prefix_len });
const LOOPBACK = range('127.0.0.0', 8);
const early = (...mutations: JsonObject[]): JsonObject => ({
  early_header_mutation_extensions: [
    named('early', 'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', { mutations }),
  ],
});
const set = (key: string, value: string): JsonObject => ({
  append: { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
});

const LISTENERS: Readonly<Record<string, JsonObject>> = {
  hops: detect(xff({ xff_num_trusted_hops: 1 })),
  plain: detect(xff({})),
  appending: detect(xff({ skip_xff_append: false })),
  trusted: detect(xff({ xff_trusted_cidrs: { cidrs: [LOOPBACK, range('192.168.0.0', 16)] } })),
  'trusted-appending': detect(xff({ xff_trusted_cidrs: { cidrs: [LOOPBACK] }, skip_xff_append: false })),
  stranger: detect(xff({ xff_trusted_cidrs: { cidrs: [range('192.168.0.0', 16)] }, skip_xff_append: false })),
  header: detect(custom({})),
  'header-trusted': detect(custom({ allow_extension_to_set_address_as_trusted: true })),
  'header-needed': detect(custom({ reject_with_status: { code: 'Unauthorized' } })),
  'header-odd-status': detect(custom({ reject_with_status: { code: 'OK' } })),
  'header-then-xff': detect(custom({}), xff({})),
  early: early(
    set('x-early', '%PROTOCOL%'),
    set('x-forwarded-for', '5.5.5.5'),
    set('x-request-id', 'early'),
    set('x-forwarded-proto', 'https'),
    { remove: 'x-secret' },
    { remove_on_match: { key_matcher: { prefix: 'x-drop' } } },
  ),
  'early-edge': {
    use_remote_address: true,
    ...early(set('x-forwarded-for', '5.5.5.5'), set('x-envoy-retry-on', '5xx'), set('x-envoy-internal', 'true')),
  },
  'early-hops': early(
    set('keep-alive', 'early'),
    set('te', 'gzip'),
    set('proxy-connection', 'x'),
    set('referer', 'x:y'),
  ),
  'early-route': early(set('x-which', 'early')),
};

const REQUESTS: readonly [string, string][][] = [
  [],
  [['x-forwarded-for', '1.2.3.4']],
  [['x-forwarded-for', '10.1.2.3']],
  [['x-forwarded-for', '1.2.3.4, 192.168.0.1']],
  [['x-forwarded-for', '1.2.3.4,5.6.7.8, 192.168.0.1,192.168.0.2']],
  [['x-forwarded-for', '192.168.0.3, 192.168.0.1']],
  [['x-forwarded-for', '1.2.3.4, nobody, 192.168.0.1']],
  [['x-forwarded-for', '1.2.3.4, 192.168.0.1:80, [2001:db8::1]:8080']],
  [
    ['x-forwarded-for', '1.2.3.4'],
    ['x-forwarded-for', '192.168.0.9'],
  ],
  [['x-origin', '10.9.9.9']],
  [
    ['x-origin', '1.1.1.1'],
    ['x-forwarded-for', '10.1.1.1'],
  ],
  [['x-origin', '10.9.9.9:5000']],
  [['x-origin', 'nobody']],
  [
    ['x-secret', '1'],
    ['x-drop-me', '1'],
    ['x-dropper', '1'],
    ['x-request-id', 'own'],
  ],
];

const options = (listeners: Readonly<Record<string, JsonObject>>): TwinOptions => ({
  listeners: Object.keys(listeners),
  bootstrap: (env) => ({
    static_resources: {
      listeners: Object.entries(listeners).map(([name, manager]) =>
        httpListener(name, {
          port: env.port(name),
          log: env.log(name),
          manager,
          logFormat: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(X-FORWARDED-FOR)% %ROUTE_NAME%',
          routes: [
            {
              name: 'early',
              match: { prefix: '/', headers: [{ name: 'x-which', string_match: { exact: 'early' } }] },
              route: { cluster: 'backend' },
            },
            TO_BACKEND,
          ],
        }),
      ),
      clusters: [cluster('backend', env.backend('backend'))],
    },
  }),
});

const CASES: readonly TwinCase[] = Object.keys(LISTENERS).flatMap((listener) =>
  REQUESTS.map(
    (headers): TwinCase => ({ name: `${listener}: ${JSON.stringify(headers)}`, listener, send: { headers } }),
  ),
);

test('origins of requests, and early changes, as with Envoy', { skip: withoutReference }, async (t) => {
  await compare(t, await twinProxies(t, options(LISTENERS)), CASES);
});

const REFUSED: Readonly<Record<string, JsonObject>> = {
  'with use_remote_address': { ...detect(xff({})), use_remote_address: true },
  'with xff_num_trusted_hops': { ...detect(xff({})), xff_num_trusted_hops: 1 },
  'hops and ranges': detect(xff({ xff_num_trusted_hops: 1, xff_trusted_cidrs: { cidrs: [LOOPBACK] } })),
  'an unknown extension': {
    original_ip_detection_extensions: [
      named('x', 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig'),
    ],
  },
};

for (const [name, manager] of Object.entries(REFUSED)) {
  test(`${name} is refused as by Envoy`, { skip: withoutReference }, async (t) => {
    for (const program of ['envoy', 'isthmus'] as const) {
      await assert.rejects(start(t, program, options({ main: manager })), program);
    }
  });
}
