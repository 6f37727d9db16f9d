import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, TO_BACKEND } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Headers that steer Envoy, one of each that a client might try. */
const STEERING: readonly [string, string][] = [
  ['x-envoy-retry-on', '5xx'],
  ['x-envoy-retry-grpc-on', 'cancelled'],
  ['x-envoy-max-retries', '1'],
  ['x-envoy-retriable-status-codes', '418'],
  ['x-envoy-retriable-header-names', 'x-a'],
  ['x-envoy-upstream-alt-stat-name', 'alt'],
  ['x-envoy-upstream-rq-timeout-ms', '60000'],
  ['x-envoy-upstream-rq-per-try-timeout-ms', '50000'],
  ['x-envoy-upstream-rq-timeout-alt-response', '1'],
  ['x-envoy-upstream-stream-duration-ms', '60000'],
  ['x-envoy-expected-rq-timeout-ms', '1'],
  ['x-envoy-force-trace', 'true'],
  ['x-envoy-ip-tags', 'tag'],
  ['x-envoy-original-url', 'http://a/'],
  ['x-envoy-original-path', '/original'],
  ['x-envoy-original-host', 'original'],
  ['x-envoy-hedge-on-per-try-timeout', 'true'],
  ['x-envoy-decorator-operation', 'op'],
  ['x-envoy-downstream-service-cluster', 'c'],
  ['x-envoy-downstream-service-node', 'n'],
  ['x-envoy-internal', 'true'],
  ['x-envoy-external-address', '9.9.9.9'],
  ['x-envoy-attempt-count', '7'],
  ['x-envoy-peer-metadata', 'x'],
  ['x-own-internal', '1'],
];

const LISTENERS: Readonly<Record<string, JsonObject>> = {
  edge: { use_remote_address: true },
  inner: {},
  trusted: { internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] } },
  'trusted-edge': {
    use_remote_address: true,
    internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
  },
  hops: { use_remote_address: true, xff_num_trusted_hops: 1 },
  'hops-inner': { xff_num_trusted_hops: 1 },
  'no-append': { use_remote_address: true, skip_xff_append: true },
  via: { via: 'proxy', use_remote_address: true, server_name: 'own', server_header_transformation: 'APPEND_IF_ABSENT' },
  'keep-id': { use_remote_address: true, preserve_external_request_id: true, always_set_request_id_in_response: true },
  'no-id': { generate_request_id: false },
  agent: { add_user_agent: true },
};

const FORWARDED: readonly (readonly [string, readonly [string, string][]])[] = [
  ['nothing', []],
  ['steering headers', STEERING],
  ['an inner address', [['x-forwarded-for', '127.0.0.9'], ...STEERING]],
  ['an outer address', [['x-forwarded-for', '1.2.3.4'], ...STEERING]],
  [
    'two addresses',
    [
      ['x-forwarded-for', '1.2.3.4, 127.0.0.9'],
      ['x-forwarded-proto', 'https'],
    ],
  ],
  [
    'three addresses in two headers',
    [
      ['x-forwarded-for', '1.2.3.4,5.6.7.8'],
      ['x-forwarded-for', '10.0.0.1'],
    ],
  ],
  [
    'no address',
    [
      ['x-forwarded-for', 'nobody'],
      ['x-forwarded-proto', 'ftp'],
    ],
  ],
  [
    'a protocol and a port',
    [
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-port', '1'],
      ['x-forwarded-host', 'a'],
    ],
  ],
  [
    'an id',
    [
      ['x-request-id', 'mine'],
      ['user-agent', 'me'],
      ['via', 'other'],
      ['server', 's'],
    ],
  ],
];

const CASES: readonly TwinCase[] = Object.keys(LISTENERS).flatMap((listener) =>
  FORWARDED.map(([what, headers]): TwinCase => ({ name: `${listener}: ${what}`, listener, send: { headers } })),
);

test('headers of requests as Envoy leaves them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(LISTENERS),
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(LISTENERS).map(([name, manager]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            manager,
            logFormat: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(X-FORWARDED-FOR)%',
            routeConfig: { internal_only_headers: ['x-own-internal'] },
            routes: [TO_BACKEND],
          }),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  await compare(t, twins, CASES);
});
