import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** `x-envoy-is-timeout-retry`: what retries tell of the attempt before. */

const retried = (prefix: string, to: string): JsonObject => ({
  match: { prefix },
  route: {
    cluster: to,
    timeout: '5s',
    retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.3s' },
  },
});
const ROUTES = [retried('/slow', 'slow'), retried('/failing', 'failing')];

const CASES: readonly TwinCase[] = ['main', 'without'].flatMap((listener) =>
  ['/slow', '/failing'].map((path) => ({ name: `${listener}: ${path}`, listener, send: { path } })),
);

test('retries say what they are for as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'without'],
    backends: () => ({
      slow: () => '',
      failing: () => 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n',
    }),
    bootstrap: (env) => ({
      static_resources: {
        listeners: ['main', 'without'].map((name) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            routes: ROUTES,
            virtualHost: { include_is_timeout_retry_header: name === 'main' },
          }),
        ),
        clusters: ['slow', 'failing'].map((name) => cluster(name, env.backend(name))),
      },
    }),
  });
  await compare(t, twins, CASES);
});
