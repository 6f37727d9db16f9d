import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { any, cluster, httpListener, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage, exchange, type RawMessage } from '../support/raw-http.ts';
import { freePorts, until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';
import { bothReach, hostLines, sameHosts, sameStats } from '../support/twin-stats.ts';

/** Two checks are enough, and come quickly, also where there is no traffic. */
const OFTEN: JsonObject = {
  timeout: '2s',
  interval: '0.1s',
  no_traffic_interval: '0.1s',
  unhealthy_threshold: 2,
  healthy_threshold: 2,
};

const http = (fields: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  ...OFTEN,
  http_health_check: { path: '/health', ...fields },
  ...more,
});
const text = (value: string): JsonObject => ({ text: Buffer.from(value).toString('hex') });

/** Clusters of one host by their health check; the host's backend answers by the path of the check. */
const CHECKS: Readonly<Record<string, JsonObject>> = {
  ok: http({ path: '/ok' }),
  no: http({ path: '/503' }),
  range: http({ path: '/204', expected_statuses: [{ start: 200, end: 300 }] }),
  'out-of-range': http({ path: '/ok', expected_statuses: [{ start: 201, end: 300 }] }),
  retriable: http({ path: '/503', retriable_statuses: [{ start: 500, end: 504 }] }),
  body: http({ path: '/ok', receive: [text('al'), text('well')] }),
  'other-body': http({ path: '/ok', receive: [text('well'), text('al')] }),
  post: http({
    path: '/echo',
    method: 'POST',
    send: text('ping'),
    receive: [text('ping')],
    host: 'checked.test',
    request_headers_to_add: [{ header: { key: 'x-added', value: 'yes %UPSTREAM_CLUSTER%' } }],
    request_headers_to_remove: ['user-agent'],
  }),
  head: http({ path: '/ok', method: 'HEAD' }),
  degraded: http({ path: '/degraded' }),
  verified: http({ path: '/ok', service_name_matcher: { prefix: 'right' } }),
  'not-verified': http({ path: '/ok', service_name_matcher: { exact: 'wrong' } }),
  once: http({ path: '/ok' }, { reuse_connection: false }),
  silent: http({ path: '/silent' }),
  quiet: http({ path: '/quiet' }, { timeout: '0.2s' }),
  tcp: { ...OFTEN, tcp_health_check: {} },
  'tcp-bytes': { ...OFTEN, tcp_health_check: { send: text('PING'), receive: [text('PO'), text('NG')] } },
  'tcp-other': {
    ...OFTEN,
    timeout: '0.2s',
    tcp_health_check: { send: text('PING'), receive: [text('nothing of the kind')] },
  },
  grpc: { ...OFTEN, grpc_health_check: { service_name: 'good' } },
  'grpc-bad': { ...OFTEN, grpc_health_check: { service_name: 'bad', authority: 'checked.test' } },
  'grpc-unknown': { ...OFTEN, grpc_health_check: { service_name: 'unknown' } },
  nobody: { ...OFTEN, tcp_health_check: {} },
};

/** What is known of each once its first check is over: the flags of the host. */
const FLAGS: Readonly<Record<string, string>> = {
  no: '/failed_active_hc',
  'out-of-range': '/failed_active_hc',
  retriable: '/failed_active_hc',
  'other-body': '/failed_active_hc',
  degraded: '/degraded_active_hc',
  'not-verified': '/failed_active_hc',
  silent: '/failed_active_hc',
  quiet: '/failed_active_hc/active_hc_timeout',
  'tcp-other': '/failed_active_hc/active_hc_timeout',
  'grpc-bad': '/failed_active_hc',
  'grpc-unknown': '/failed_active_hc',
  nobody: '/failed_active_hc',
};

function backend(request: RawMessage): string | Uint8Array | undefined {
  const [, target] = request.startLine.split(' ');
  const cluster: [string, string][] = [['x-envoy-upstream-healthchecked-cluster', 'right-cluster']];
  switch (target) {
    case '/503':
      return encodeMessage('HTTP/1.1 503 No', [], 'no');
    case '/204':
      return encodeMessage('HTTP/1.1 204 No Content', []);
    case '/degraded':
      return encodeMessage('HTTP/1.1 200 OK', [['x-envoy-degraded', 'true']], 'ok');
    case '/echo':
      return encodeMessage('HTTP/1.1 200 OK', [], request.body.toString());
    case '/silent':
      return undefined;
    case '/quiet':
      return '';
    case '/fail':
      return encodeMessage('HTTP/1.1 200 OK', [['x-envoy-immediate-health-check-fail', 'true']], 'ok');
    default:
      if (request.startLine.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n';
      return encodeMessage('HTTP/1.1 200 OK', cluster, 'all is well');
  }
}

/** Answers PING with PONG, in two pieces. */
async function pong(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      socket.write('PO');
      setImmediate(() => socket.write('NG'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** `grpc.health.v1.Health`, by hand: SERVING for `good`, NOT_SERVING for `bad`. */
async function grpcHealth(t: TestContext): Promise<number> {
  const server = new Server();
  const identity = (bytes: Buffer) => bytes;
  const definition = {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
  server.addService(
    { check: definition } as never,
    {
      check: ({ request }: { request: Buffer }, reply: (error: object | null, bytes?: Buffer) => void) => {
        const service = request.subarray(2).toString();
        if (service === 'good') reply(null, Buffer.from([8, 1]));
        else if (service === 'bad') reply(null, Buffer.from([8, 2]));
        else reply({ code: 5, details: 'no such service' });
      },
    } as never,
  );
  t.after(() => server.forceShutdown());
  return await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

const portOf = (env: TwinEnv, name: string, nobody: number) => {
  if (name === 'nobody') return nobody;
  if (name.startsWith('grpc')) return env.backend('grpc');
  return env.backend(name.startsWith('tcp-') ? 'pong' : 'backend');
};

test('hosts are checked as Envoy checks them', { skip: withoutReference }, async (t) => {
  const [nobody] = await freePorts(1);
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => ({ backend, spare: backend }),
    servers: { pong, grpc: grpcHealth },
    bootstrap: (env) => {
      const lone = (name: string, health_check: JsonObject, more: JsonObject = {}) =>
        cluster(name, portOf(env, name, nobody), {
          health_checks: [{ ...health_check, event_log_path: path.join(env.folder, `${name}.events`) }],
          common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' },
          ...(name.startsWith('grpc') && { http2_protocol_options: {} }),
          ...more,
        });
      const pair = (name: string, endpoints: JsonObject[], more: JsonObject = {}) =>
        lone(name, http({ path: '/ok' }), {
          load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
          ...more,
        });
      const at = (port: number, health_check_config: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
        endpoint: { address: socketAddress(port), health_check_config, ...more },
      });
      return {
        static_resources: {
          listeners: [
            httpListener('main', {
              port: env.port('main'),
              log: env.log('main'),
              routes: ['ok', 'no', 'degraded', 'immediate', 'panic', 'ports'].map((name) => ({
                match: { prefix: `/${name}` },
                route: { cluster: name, prefix_rewrite: name === 'immediate' ? '/fail' : '/ok' },
              })),
            }),
          ],
          clusters: [
            ...Object.entries(CHECKS).map(([name, check]) => lone(name, check)),
            pair('immediate', [
              at(env.backend('backend')),
              at(env.backend('spare'), { disable_active_health_check: true }),
            ]),
            pair('ports', [at(nobody, { port_value: env.backend('backend'), hostname: 'own.test' })]),
            pair('panic', [at(nobody), at(env.backend('backend'))], {
              common_lb_config: { healthy_panic_threshold: { value: 100 }, update_merge_window: '0s' },
            }),
            lone(
              'sink',
              http(
                { path: '/ok' },
                {
                  event_logger: [
                    {
                      name: 'file',
                      typed_config: any('envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink', {
                        event_log_path: path.join(env.folder, 'sink.sink'),
                      }),
                    },
                  ],
                  always_log_health_check_success: true,
                },
              ),
            ),
          ],
        },
      };
    },
  });

  for (const name of [...Object.keys(CHECKS), 'ports', 'sink']) {
    await t.test(`health of a host: ${name}`, async () => {
      await Promise.all(
        [twins.envoy, twins.isthmus].map((twin) =>
          until(`${twin.program} knows about ${name}`, async () => {
            const lines = await hostLines(twin, name, /health_flags/);
            return lines.length === 1 && lines[0].endsWith(`::${FLAGS[name] ?? 'healthy'}`);
          }),
        ),
      );
      await sameHosts(twins, name, /health_flags|hostname/);
      // How often was checked is a matter of time.
      await sameStats(
        twins,
        name,
        /health_check\.(attempt|success|failure|network_failure|verify_cluster)|upstream_|http2_upstream_connections/,
      );
    });
  }

  await t.test('what is asked', async () => {
    const asked = async (twin: Twin, target: string) => {
      const find = () =>
        twin.backends
          .get('backend')!
          .take()
          .find(({ startLine }) => startLine.includes(target));
      const { startLine, headers, body } = await until(`${twin.program} asks for ${target}`, find);
      return [startLine, ...headers.map(([n, v]) => `${n}: ${twin.named(v)}`).sort(), body.toString()];
    };
    for (const target of ['/echo', '/204', '/degraded']) {
      assert.deepEqual(await asked(twins.isthmus, target), await asked(twins.envoy, target));
    }
  });

  await t.test('events', async () => {
    for (const [name, file] of [
      ...['ok', 'no', 'degraded', 'nobody', 'silent'].map((name) => [name, `${name}.events`]),
      ['sink', 'sink.sink'],
    ]) {
      const first = (twin: Twin) =>
        until(`${twin.program} writes of ${name}`, () => {
          const where = path.join(twin.env.folder, file);
          const lines = fs.existsSync(where) ? fs.readFileSync(where, 'utf8').split('\n').slice(0, -1) : [];
          if (lines.length === 0) return undefined;
          return twin
            .named(lines[0])
            .replace(/"timestamp":"[^"]*"/, '"timestamp":""')
            .replace(/"port_value":\d+/, '');
        });
      assert.deepEqual(await first(twins.isthmus), await first(twins.envoy), name);
    }
  });

  const status = async (twin: Twin, target: string) =>
    (await exchange(twin.env.port('main'), [requestBytes({ path: target })])).status;

  await t.test('who gets requests', async () => {
    for (const [name, wanted] of [
      ['ok', 200],
      ['no', 503],
      ['degraded', 200],
      ['ports', 503],
    ] as const) {
      for (const twin of [twins.envoy, twins.isthmus]) assert.equal(await status(twin, `/${name}`), wanted, name);
    }
  });

  await t.test('all of them in a panic', async () => {
    for (const twin of [twins.envoy, twins.isthmus]) {
      const statuses = new Set<number>();
      for (let i = 0; i < 4; i++) statuses.add(await status(twin, '/panic'));
      assert.deepEqual([...statuses].sort(), [200, 503], twin.program);
    }
    await bothReach(twins, 'panic', 'lb_healthy_panic', 4);
  });

  await t.test('nobody who says in an answer that it fails', async () => {
    for (const twin of [twins.envoy, twins.isthmus]) {
      for (let i = 0; i < 2; i++) await status(twin, '/immediate');
    }
    await bothReach(twins, 'immediate', 'health_check.passive_failure', 1);
  });
});
