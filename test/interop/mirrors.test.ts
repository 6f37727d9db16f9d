import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { type Observation, observe, type RequestSpec, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** What copies of requests look like, and which requests are copied. */

const set = (key: string, value: string): JsonObject => ({
  append: { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
});
const share = (numerator: number, runtime_key = ''): JsonObject => ({
  runtime_fraction: { default_value: { numerator }, ...(runtime_key === '' ? {} : { runtime_key }) },
});
const mirrored = (prefix: string, ...policies: JsonObject[]): JsonObject => ({
  match: { prefix },
  route: { cluster: 'backend', request_mirror_policies: policies },
});

const ROUTES: readonly JsonObject[] = [
  mirrored('/plain', { cluster: 'mirror' }),
  mirrored('/never', { cluster: 'mirror', ...share(0) }),
  mirrored('/key-off', { cluster: 'mirror', ...share(100, 'mirror.off') }),
  mirrored('/key-on', { cluster: 'mirror', ...share(0, 'mirror.on') }),
  mirrored('/no-suffix', { cluster: 'mirror', disable_shadow_host_suffix_append: true }),
  mirrored('/literal-host', { cluster: 'mirror', host_rewrite_literal: 'copy.test:81' }),
  mirrored('/literal-no-suffix', {
    cluster: 'mirror',
    host_rewrite_literal: 'copy.test',
    disable_shadow_host_suffix_append: true,
  }),
  mirrored('/mutated', {
    cluster: 'mirror',
    request_headers_mutations: [
      set('x-copy', 'of %REQ(:AUTHORITY)% %REQ(X-A)%'),
      { remove: 'x-secret' },
      { remove_on_match: { key_matcher: { prefix: 'x-drop' } } },
      set('x-forwarded-for', 'nobody'),
    ],
  }),
  mirrored('/header', { cluster_header: 'x-mirror' }),
  mirrored('/two', { cluster: 'mirror' }, { cluster: 'other', disable_shadow_host_suffix_append: true }),
  mirrored('/unknown', { cluster: 'nobody' }),
  { match: { prefix: '/none' }, route: { cluster: 'backend' } },
];

interface Seen extends Observation {
  readonly copies: readonly string[];
}

async function mirroredBy(twin: Twin, send: RequestSpec, copies: number): Promise<Seen> {
  const others = ['mirror', 'other'].map((name) => twin.backends.get(name)!);
  const seen = await observe(twin, { name: '', send }, 'main');
  const told = seen.upstream.filter((one) => !one.startsWith('backend '));
  // Nobody waits for a copy: what has not come yet comes soon.
  const more = await until(`${twin.program}: ${copies} copies`, () => {
    const count = told.length + others.reduce((sum, other) => sum + other.requests.length, 0);
    return count >= copies ? others.flatMap((other) => other.take()) : undefined;
  });
  const late = more.map(({ startLine, headers, body }) =>
    [
      startLine,
      ...headers.map(([name, value]) => `${name}: ${name === 'x-request-id' ? '<id>' : value}`).sort(),
      '',
      body.toString('latin1'),
    ].join('\n'),
  );
  const early = told.map((one) => one.replace(/^\w+ <- /, ''));
  return {
    ...seen,
    upstream: seen.upstream.filter((one) => one.startsWith('backend ')),
    copies: [...early, ...late]
      .map((one) =>
        one.replace(/^x-envoy-expected-rq-timeout-ms: .*$/m, 'x-envoy-expected-rq-timeout-ms: <ms>').trimEnd(),
      )
      .sort(),
  };
}

const CASES: readonly (readonly [path: string, copies: number, headers?: [string, string][]])[] = [
  ['/plain', 1],
  ['/plain?a=b', 1, [['host', 'named.test:8080']]],
  ['/plain', 1, [['host', '[::1]:80']]],
  ['/plain', 1, [['x-forwarded-for', '1.2.3.4']]],
  ['/never', 0],
  ['/key-off', 0],
  ['/key-on', 1],
  ['/no-suffix', 1],
  ['/literal-host', 1],
  ['/literal-no-suffix', 1],
  [
    '/mutated',
    1,
    [
      ['x-a', '1'],
      ['x-secret', '2'],
      ['x-drop-me', '3'],
    ],
  ],
  ['/header', 1, [['x-mirror', 'other']]],
  ['/header', 0, [['x-mirror', 'nobody']]],
  ['/header', 0],
  ['/two', 2],
  ['/unknown', 0],
  ['/none', 1],
];

test('copies of requests as Envoy sends them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => {
      const ok = () => 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
      return { mirror: ok, other: ok };
    },
    bootstrap: (env) => ({
      layered_runtime: {
        layers: [{ name: 'static', static_layer: { 'mirror.off': 0, 'mirror.on': 100 } }],
      },
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: ROUTES,
            routeConfig: {
              validate_clusters: false,
              request_mirror_policies: [{ cluster: 'other' }],
            },
          }),
        ],
        clusters: ['backend', 'mirror', 'other'].map((name) => cluster(name, env.backend(name))),
      },
    }),
  });
  for (const [path, copies, headers = []] of CASES) {
    await t.test(`${path} ${JSON.stringify(headers)}`, async () => {
      const send: RequestSpec = { method: 'POST', path, headers, body: 'abc' };
      const [envoy, isthmus] = await Promise.all(
        [twins.envoy, twins.isthmus].map((twin) => mirroredBy(twin, send, copies)),
      );
      assert.equal(envoy!.copies.length, copies);
      assert.deepEqual(isthmus, envoy);
    });
  }
});
