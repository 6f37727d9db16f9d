import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, fileLog, httpListener, named } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import {
  compare,
  start,
  type Twin,
  type TwinCase,
  type TwinEnv,
  type TwinOptions,
  twinProxies,
} from '../support/twin-proxies.ts';

/** When streams are logged, and by which of their logs. */

const FORMAT =
  '%ACCESS_LOG_TYPE% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %ROUTE_NAME% %UPSTREAM_CLUSTER% %REQ(X-MUTATED)% %RESP(SERVER)% %BYTES_SENT%';
const filtered = (env: TwinEnv, name: string, filter: JsonObject): JsonObject => ({
  access_log: [{ ...fileLog(env.log(name), FORMAT), filter }],
});
const types = (exclude: boolean, ...names: string[]) => ({ log_type_filter: { types: names, exclude } });
const metadata = (fields: JsonObject, more: JsonObject = {}) => ({
  metadata_filter: {
    matcher: { filter: 'common', path: [{ key: 'access_log_hint' }], value: { bool_match: true }, ...fields },
    ...more,
  },
});

const SET = { access_log_options: { flush_access_log_on_new_request: true } };
const LISTENERS: Readonly<Record<string, (env: TwinEnv) => JsonObject>> = {
  plain: () => ({}),
  begins: () => SET,
  'begins-old': () => ({ flush_access_log_on_new_request: true }),
  interval: () => ({ access_log_options: { access_log_flush_interval: '0.3s' } }),
  'interval-old': () => ({ access_log_flush_interval: '0.3s' }),
  tunnel: () => ({ access_log_options: { flush_log_on_tunnel_successfully_established: true } }),
  'no-tunnel': () => ({}),
  starts: (env) => ({ ...SET, ...filtered(env, 'starts', types(false, 'DownstreamStart')) }),
  ends: (env) => ({ ...SET, ...filtered(env, 'ends', types(true, 'DownstreamStart', 'TcpConnectionEnd')) }),
  hinted: (env) => filtered(env, 'hinted', metadata({})),
  'hinted-only': (env) => filtered(env, 'hinted-only', metadata({}, { match_if_key_not_found: false })),
  'hinted-inverted': (env) => filtered(env, 'hinted-inverted', metadata({ invert: true })),
};

const ROUTES: readonly JsonObject[] = [
  { name: 'slow', match: { prefix: '/slow' }, route: { cluster: 'slow', timeout: '0.5s' } },
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'abc' } } },
  { name: 'all', match: { prefix: '/' }, route: { cluster: 'backend' } },
];

const MUTATE = named('mutate', 'http.header_mutation.v3.HeaderMutation', {
  mutations: { request_mutations: [{ append: { header: { key: 'x-mutated', value: 'yes' } } }] },
});

const options: TwinOptions = {
  listeners: Object.keys(LISTENERS),
  backends: () => ({ slow: () => '' }),
  bootstrap: (env) => ({
    static_resources: {
      listeners: Object.entries(LISTENERS).map(([name, manager]) =>
        httpListener(name, {
          port: env.port(name),
          log: env.log(name),
          manager: {
            access_log: [fileLog(env.log(name), FORMAT)],
            upgrade_configs: [{ upgrade_type: 'websocket' }],
            ...manager(env),
          },
          filters: [MUTATE],
          routes: ROUTES,
        }),
      ),
      clusters: [cluster('backend', env.backend('backend')), cluster('slow', env.backend('slow'))],
    },
  }),
};

const get = (listener: string, path: string, lines = 1): TwinCase => ({
  name: `${listener}: ${path}`,
  listener,
  send: { path },
  lines,
});

const CASES: readonly TwinCase[] = [
  get('plain', '/'),
  get('begins', '/', 2),
  get('begins', '/direct', 2),
  get('begins-old', '/', 2),
  { name: 'begins: a bad request', listener: 'begins', send: ['GET / HTTP/1.1\r\n\r\n'] },
  {
    name: 'begins: an upgrade that is not allowed',
    listener: 'begins',
    lines: 2,
    send: {
      headers: [
        ['connection', 'upgrade'],
        ['upgrade', 'other'],
      ],
    },
  },
  get('interval', '/slow', 2),
  get('interval-old', '/slow', 2),
  get('interval', '/'),
  get('starts', '/'),
  get('ends', '/'),
  get('hinted', '/'),
];

/** Asks for a WebSocket and goes when it has one, or has been told off. */
function upgrade(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.once('data', (data: Buffer) => {
      resolve(data.toString('latin1').split('\r\n')[0]!);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('streams are logged when Envoy logs them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, options);
  await compare(t, twins, CASES);
  for (const [listener, status, lines] of [
    ['tunnel', 101, 2],
    ['tunnel', 403, 1],
    ['no-tunnel', 101, 1],
  ] as const) {
    await t.test(`${listener}: an upgrade answered with ${status}`, async () => {
      const observe = async (twin: Twin) => {
        twin.backends.get('backend')!.handler = () =>
          status === 101
            ? 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'
            : 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n';
        return { said: await upgrade(twin.env.port(listener)), log: await twin.logLines(listener, lines) };
      };
      const [envoy, isthmus] = await Promise.all([observe(twins.envoy), observe(twins.isthmus)]);
      assert.deepEqual(isthmus, envoy);
      assert.equal(envoy.log.length, lines);
    });
  }
});

test('the old fields and the new ones do not go together', { skip: withoutReference }, async (t) => {
  const old: readonly JsonObject[] = [{ access_log_flush_interval: '1s' }, { flush_access_log_on_new_request: true }];
  for (const field of old) {
    for (const program of ['envoy', 'isthmus'] as const) {
      const both: TwinOptions = {
        listeners: ['main'],
        bootstrap: (env) => ({
          static_resources: {
            listeners: [
              httpListener('main', { port: env.port('main'), log: env.log('main'), manager: { ...SET, ...field } }),
            ],
            clusters: [cluster('backend', env.backend('backend'))],
          },
        }),
      };
      await assert.rejects(start(t, program, both), program);
    }
  }
});
