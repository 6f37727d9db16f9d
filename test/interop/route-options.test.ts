import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compare, type Twin, type TwinCase, twinProxies } from '../support/twin-proxies.ts';

/** Time limits, retries and matching that few routes have. */

const route = (prefix: string, to: string, fields: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  match: { prefix },
  route: { cluster: to, ...fields },
  ...more,
});
const retry = (prefix: string, fields: JsonObject, to = 'single') =>
  route(prefix, to, { retry_policy: { retry_on: '5xx', num_retries: 1, ...fields } });
const add = (key: string, value: string) => ({ header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' });
const exact = (name: string, value: string) => ({ name, string_match: { exact: value } });

const ROUTES: readonly JsonObject[] = [
  route('/stream', 'never', { max_stream_duration: { max_stream_duration: '0.3s' } }),
  route('/grpc-header', 'never', {
    max_stream_duration: { grpc_timeout_header_max: '0.3s', grpc_timeout_header_offset: '0.1s' },
    timeout: '2s',
  }),
  route('/grpc-max', 'never', { max_grpc_timeout: '0.3s', timeout: '2s' }),
  route('/grpc-offset', 'never', { max_grpc_timeout: '0s', grpc_timeout_offset: '0.1s', timeout: '2s' }),
  route('/idle', 'never', { idle_timeout: '0.3s' }),
  route('/slow', 'never', { timeout: '9s' }),
  route('/global', 'never', { timeout: '0.3s' }),
  route('/forever', 'never', { timeout: '0s', idle_timeout: '0.4s' }),
  retry(
    '/elsewhere',
    {
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
        },
      ],
      host_selection_retry_max_attempts: '5',
    },
    'failing',
  ),
  retry('/told', {
    rate_limited_retry_back_off: { reset_headers: [{ name: 'x-wait', format: 'SECONDS' }], max_interval: '30s' },
  }),
  retry('/asked', { retriable_request_headers: [exact('x-again', 'yes')] }),
  retry('/codes', { retry_on: 'retriable-status-codes', retriable_status_codes: [503, 418] }),
  retry('/none', { num_retries: 0 }),
  { match: { path: '/parameters' }, route: { cluster: 'backend' } },
  route('/specific', 'backend', {}, { response_headers_to_add: [add('x-which', 'route')] }),
  route('/', 'backend'),
];

const GRPC: [string, string][] = [['content-type', 'application/grpc']];
const get = (path: string, headers: [string, string][] = []): TwinCase => ({
  name: `${path} ${headers.flat().join(' ')}`.trim(),
  send: { path, headers },
});
const grpc = (path: string, timeout?: string): TwinCase => ({
  name: `${path}, gRPC${timeout === undefined ? '' : ` in ${timeout}`}`,
  send: { method: 'POST', path, headers: timeout === undefined ? GRPC : [...GRPC, ['grpc-timeout', timeout]] },
});

const CASES: readonly TwinCase[] = [
  get('/stream'),
  grpc('/stream'),
  grpc('/grpc-header', '10S'),
  grpc('/grpc-header', '200m'),
  grpc('/grpc-max', '10S'),
  grpc('/grpc-max', '200m'),
  grpc('/grpc-max'),
  grpc('/grpc-offset', '400m'),
  get('/idle'),
  get('/global'),
  get('/global', [['x-envoy-upstream-rq-timeout-ms', '200']]),
  get('/forever'),
  {
    name: 'a request that stops',
    send: ['POST /idle HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\nabc'],
  },
  {
    name: 'a request that takes too long',
    listener: 'hasty',
    send: ['POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\nabc'],
  },
  { name: 'a stream in which nothing moves', listener: 'idle', send: { path: '/slow' } },
  get('/elsewhere'),
  get('/told'),
  get('/asked', [['x-again', 'yes']]),
  get('/asked', [['x-again', 'no']]),
  get('/codes'),
  get('/none'),
  get('/', [['host', 'named.test:8080']]),
  get('/', [['host', 'named.test']]),
  get('/parameters;a=b'),
  get('/parameters;a=b?c=d'),
  get('/specific'),
  { ...get('/specific'), name: 'headers of the most specific', listener: 'specific' },
  { ...get('/x?y=z'), name: 'TLS is required', listener: 'secure' },
  {
    ...get('/x', [['x-forwarded-proto', 'https']]),
    name: 'TLS is required, and was there before',
    listener: 'secure',
  },
  { ...get('/x'), name: 'TLS is required from outside', listener: 'outside' },
  { ...get('/x', [['host', 'a.test:99']]), name: 'the port is told', listener: 'hasty' },
  {
    name: 'who waits to be told to go on',
    listener: 'patient',
    send: ['POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n', 'abc'],
  },
];

test('options of routes and of managers as with Envoy', { skip: withoutReference }, async (t) => {
  const managers: Readonly<Record<string, JsonObject>> = {
    main: {},
    hasty: { request_timeout: '0.3s', append_x_forwarded_port: true },
    idle: { stream_idle_timeout: '0.2s' },
    specific: {},
    secure: {},
    outside: { use_remote_address: true },
    patient: { proxy_100_continue: true },
  };
  const failing = () => encodeMessage('HTTP/1.1 503 Busy', [['x-wait', '1']], 'no');
  const twins = await twinProxies(t, {
    listeners: Object.keys(managers),
    backends: () => ({ one: failing, two: failing }),
    servers: {
      never: async (inner) => {
        const server = net.createServer((socket) => socket.on('error', () => {}).resume());
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        inner.after(() => server.close());
        return (server.address() as net.AddressInfo).port;
      },
    },
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(managers).map(([name, manager]) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            logFormat: '%UPSTREAM_REQUEST_ATTEMPT_COUNT% %VIRTUAL_CLUSTER_NAME%',
            manager,
            routes: ROUTES,
            routeConfig: {
              ignore_port_in_host_matching: true,
              ignore_path_parameters_in_path_matching: true,
              most_specific_header_mutations_wins: name === 'specific',
              response_headers_to_add: [add('x-which', 'table')],
            },
            virtualHost: {
              domains: ['named.test', 'example.com', 'a', 'a.test'],
              response_headers_to_add: [add('x-which', 'host')],
              ...(name === 'secure' ? { require_tls: 'ALL' } : {}),
              ...(name === 'outside' ? { require_tls: 'EXTERNAL_ONLY' } : {}),
              virtual_clusters: [{ name: 'global', headers: [{ name: ':path', string_match: { prefix: '/global' } }] }],
            },
          }),
        ),
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('never', env.backend('never')),
          cluster('single', env.backend('one')),
          cluster('failing', 0, {
            load_assignment: {
              cluster_name: 'failing',
              endpoints: [
                {
                  lb_endpoints: ['one', 'two'].map((name) => ({
                    endpoint: { address: socketAddress(env.backend(name)) },
                  })),
                },
              ],
            },
          }),
        ],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('statistics', async () => {
    const stats = async (twin: Twin) =>
      (
        await twin.admin(
          '/stats?filter=^(vhost|cluster\\.(failing|single)\\.(retry|upstream_rq_retry)|cluster\\.never\\.upstream_rq_(timeout|5|max)|http\\.\\w+\\.downstream_rq_(timeout|idle|max)|http\\.\\w+\\.rq_direct)',
        )
      )
        .split('\n')
        .filter((line) => !/rq_time:|^http\.admin/.test(line))
        .sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
