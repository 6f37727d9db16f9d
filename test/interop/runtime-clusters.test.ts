import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, socketAddress } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** What runtime keys do to clusters, which hosts retries leave out, and the scheme that requests go out with. */

const RUNTIME: JsonObject = {
  circuit_breakers: {
    pending: { default: { max_pending_requests: 0 }, high: { max_pending_requests: 100 } },
    widened: { default: { max_connections: 10, max_pending_requests: 10 } },
    retrying: { default: { max_retries: 0 } },
  },
  upstream: { maintenance_mode: { closed: 100, open: 0 } },
  outlier_detection: { consecutive_5xx: 2, max_ejection_percent: 100, enforcing_consecutive_5xx: 100 },
};

const canary = { 'envoy.lb': { canary: true, hash_key: 'good' } };
const stage = (value: string) => ({ 'envoy.lb': { stage: value, other: 1, hash_key: 'good' } });
const wanted = { 'envoy.lb': { stage: 'prod', other: 1 } };
const unwanted = { 'envoy.lb': { stage: 'prod', other: 2 } };

/** Two hosts: one that always fails, and the echo, which has the metadata. */
function pair(name: string, bad: number, good: number, metadata: JsonObject): JsonObject {
  const at = (port: number, more: JsonObject = {}) => ({ endpoint: { address: socketAddress(port) }, ...more });
  return {
    ...cluster(name, bad),
    lb_policy: 'RING_HASH',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [
            at(bad, { metadata: { filter_metadata: { 'envoy.lb': { hash_key: 'bad' } } } }),
            at(good, { metadata: { filter_metadata: metadata } }),
          ],
        },
      ],
    },
  };
}

const retry = (predicate: JsonObject, to: string): JsonObject => ({
  match: { prefix: `/${to}` },
  route: {
    cluster: to,
    hash_policy: [{ header: { header_name: 'x-h' } }],
    retry_policy: {
      retry_on: '5xx',
      num_retries: 3,
      retry_host_predicate: [predicate],
      host_selection_retry_max_attempts: '20',
      retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
    },
  },
});
const OMIT_CANARY: JsonObject = {
  name: 'canary',
  typed_config: any('envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate'),
};
const omit = (wanted: JsonObject): JsonObject => ({
  name: 'metadata',
  typed_config: any('envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig', {
    metadata_match: { filter_metadata: wanted },
  }),
});

const ROUTES: readonly JsonObject[] = [
  retry(OMIT_CANARY, 'canaries'),
  retry(omit(wanted), 'omitted'),
  retry(omit(unwanted), 'kept'),
  { match: { prefix: '/high' }, route: { cluster: 'pending', priority: 'HIGH' } },
  { match: { prefix: '/retrying' }, route: { cluster: 'retrying', retry_policy: { retry_on: '5xx', num_retries: 2 } } },
  ...['pending', 'widened', 'closed', 'open', 'ejected', 'plain'].map((name) => ({
    match: { prefix: `/${name}` },
    route: { cluster: name },
  })),
];

const get = (path: string, more: Partial<TwinCase> = {}): TwinCase => ({ name: path, send: { path }, ...more });

const CASES: readonly TwinCase[] = [
  get('/pending', { want: { status: 503 } }),
  get('/high', { want: { status: 200 } }),
  get('/widened', { want: { status: 200 } }),
  get('/retrying', { want: { status: 500 } }),
  get('/closed', { want: { status: 503, body: 'maintenance mode' } }),
  get('/open', { want: { status: 200 } }),
  get('/plain', { want: { status: 200 } }),
  get('/plain', { name: 'the scheme of plaintext', listener: 'matched', want: { log: /http$/ } }),
  {
    name: 'the scheme of the client',
    send: { path: '/plain', headers: [['x-forwarded-proto', 'https']] },
    want: { log: /https$/ },
  },
  {
    name: 'the scheme of plaintext instead of the client',
    listener: 'matched',
    send: { path: '/plain', headers: [['x-forwarded-proto', 'https']] },
    want: { log: /http$/ },
  },
  // Only the first attempt may come to the host that would answer, unless that is not what is left out.
  ...['/canaries', '/omitted', '/kept'].flatMap((path) =>
    ['a', 'b', 'c', 'd', 'e', 'f'].map(
      (hash): TwinCase => ({
        name: `${path} by ${hash}`,
        send: { path, headers: [['x-h', hash]] },
      }),
    ),
  ),
  get('/ejected', { want: { status: 500 } }),
  get('/ejected', { name: 'the second failure', want: { status: 500 } }),
  get('/ejected', { name: 'behind two failures', want: { status: 503 } }),
];

test('clusters under runtime keys as with Envoy', { skip: withoutReference }, async (t) => {
  const failing = () => 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n';
  const twins = await twinProxies(t, {
    listeners: ['main', 'matched'],
    backends: () => ({ failing }),
    bootstrap: (env) => ({
      layered_runtime: { layers: [{ name: 'static', static_layer: RUNTIME }] },
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: ROUTES,
            logFormat: '%REQ(:SCHEME)%',
          }),
          httpListener('matched', {
            port: env.port('matched'),
            log: env.log('matched'),
            routes: ROUTES,
            logFormat: '%REQ(:SCHEME)%',
            manager: { scheme_header_transformation: { match_upstream: true } },
          }),
        ],
        clusters: [
          ...['pending', 'closed', 'open', 'plain'].map((name) => cluster(name, env.backend('backend'))),
          cluster('widened', env.backend('backend'), {
            circuit_breakers: { thresholds: [{ max_connections: 0, max_pending_requests: 0 }] },
          }),
          cluster('retrying', env.backend('failing')),
          cluster('ejected', env.backend('failing'), {
            common_lb_config: { healthy_panic_threshold: { value: 0 } },
            outlier_detection: { consecutive_5xx: 1000, enforcing_consecutive_5xx: 0, interval: '100s' },
          }),
          pair('canaries', env.backend('failing'), env.backend('backend'), canary),
          ...['omitted', 'kept'].map((name) =>
            pair(name, env.backend('failing'), env.backend('backend'), stage('prod')),
          ),
        ],
      },
    }),
  });
  await compare(t, twins, CASES);
});
