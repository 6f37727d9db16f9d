import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '../../src/api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import { any, cluster, HTTP2, httpListener, named, TO_BACKEND, tcpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { compare, type Twin, type TwinCase, twinProxies } from '../support/twin-proxies.ts';
import { type UnaryAnswer, unaryServer } from '../support/unary-server.ts';

const text = (format: string, more: JsonObject = {}): JsonObject => ({
  text_format_source: { inline_string: format },
  ...more,
});
const value = (key: string, format: string | JsonObject, more: JsonObject = {}): JsonObject => ({
  object_key: key,
  format_string: typeof format === 'string' ? text(format) : format,
  ...more,
});
const string = (key: string, format: string | JsonObject, more: JsonObject = {}) =>
  value(key, format, { factory_key: 'envoy.string', ...more });

const NAME = 'envoy.filters.http.set_filter_state';
const TYPE = 'http.set_filter_state.v3.Config';
const shown = (...keys: string[]) => keys.map((key) => `${key}=%FILTER_STATE(${key}:PLAIN)%`).join(' ');

const CASES: readonly TwinCase[] = [
  { name: 'values of a request', send: { headers: [['x-a', '1']] }, want: { log: /one=1 two=-- three=a GET/ } },
  { name: 'values that are not there', want: { log: /one=- two=/ } },
  { name: 'values of a route', send: { path: '/route', headers: [['x-a', '1']] }, want: { log: /four=1/ } },
  { name: 'values of a connection, as its requests see them', listener: 'outer', want: { log: /conn=127.0.0.1/ } },
  {
    name: 'rules about values',
    listener: 'outer',
    send: { path: '/guarded' },
    want: { status: 403 },
  },
];

test('filter state as Envoy sets it', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'outer', 'tcp'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            logFormat: shown('one', 'two', 'three', 'four', 'five', 'six'),
            filters: [
              named(NAME, TYPE, {
                on_request_headers: [
                  string('one', '%REQ(x-a)%'),
                  string('two', '-%REQ(x-b)%'),
                  string('three', 'a %REQ(:method)%', { read_only: true, shared_with_upstream: 'ONCE' }),
                  string('five', text('%REQ(x-a)%', { omit_empty_values: true }), { skip_if_empty: true }),
                  string('six', text('%REQ(x-a)%', { omit_empty_values: true })),
                ],
              }),
            ],
            routes: [
              {
                match: { prefix: '/route' },
                route: { cluster: 'backend' },
                typed_per_filter_config: {
                  [NAME]: any(TYPE, { on_request_headers: [string('four', '%REQ(x-a)%'), string('two', 'route')] }),
                },
              },
              TO_BACKEND,
            ],
          }),
          httpListener('outer', {
            port: env.port('outer'),
            log: env.log('outer'),
            logFormat: shown('conn'),
            networkFilters: [
              named('envoy.filters.network.set_filter_state', 'network.set_filter_state.v3.Config', {
                on_new_connection: [string('conn', '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%')],
              }),
            ],
            filters: [
              named('envoy.filters.http.rbac', 'http.rbac.v3.RBAC', {
                rules: {
                  action: 'DENY',
                  policies: {
                    guarded: {
                      permissions: [{ url_path: { path: { exact: '/guarded' } } }],
                      principals: [{ filter_state: { key: 'conn', string_match: { prefix: '127.' } } }],
                    },
                  },
                },
              }),
            ],
          }),
          tcpListener('tcp', {
            port: env.port('tcp'),
            log: env.log('tcp'),
            filters: [
              named('envoy.filters.network.set_filter_state', 'network.set_filter_state.v3.Config', {
                on_new_connection: [value('envoy.tcp_proxy.cluster', 'other')],
              }),
            ],
            proxy: { cluster: 'broken' },
          }),
        ],
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('other', env.backend('backend')),
          cluster('broken', 1),
        ],
      },
    }),
  });
  await compare(t, twins, CASES);
  await t.test('the cluster of a connection', async () => {
    for (const twin of [twins.envoy, twins.isthmus]) {
      const socket = await open(twin, 'tcp');
      socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      assert.match(chunk.toString(), /^HTTP\/1.1 200/, twin.program);
      socket.destroy();
    }
  });
});

async function open(twin: Twin, listener: string): Promise<net.Socket> {
  const socket = net.connect(twin.env.port(listener), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

test('connection limits as Envoy keeps them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main', 'slow', 'off'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: ['main', 'slow', 'off'].map((name) =>
          tcpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters: [
              named('envoy.filters.network.connection_limit', 'network.connection_limit.v3.ConnectionLimit', {
                stat_prefix: name,
                max_connections: 2,
                ...(name === 'slow' ? { delay: '0.2s' } : {}),
                ...(name === 'off' ? { runtime_enabled: { default_value: false, runtime_key: 'a' } } : {}),
              }),
            ],
          }),
        ),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  const seen = async (twin: Twin, listener: string) => {
    const stat = async (name: string) => {
      const line = await twin.admin(`/stats?filter=^connection_limit.${listener}.${name}`);
      return Number(line.split(': ')[1]);
    };
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    const ask = (socket: net.Socket) =>
      new Promise<string>((resolve) => {
        socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1').slice(0, 12)));
        socket.once('close', () => resolve('closed'));
        socket.write(request);
      });
    const sockets: net.Socket[] = [];
    const answers: string[] = [];
    for (let i = 0; i < 3; i++) {
      const socket = await open(twin, listener);
      sockets.push(socket);
      answers.push(await ask(socket));
    }
    const counts = [await stat('limited')];
    sockets[0].destroy();
    if (listener !== 'off') {
      await until('one connection is left', async () => (await stat('active')) === 1 || undefined);
    }
    const socket = await open(twin, listener);
    answers.push(await ask(socket));
    for (const one of [...sockets, socket]) one.destroy();
    const log = (await twin.logLines(listener, 4)).sort();
    return { answers, counts, log };
  };
  for (const [listener, third] of [
    ['main', 'closed'],
    ['slow', 'closed'],
    ['off', 'HTTP/1.1 200'],
  ]) {
    await t.test(listener, async () => {
      const wanted = await seen(twins.envoy, listener);
      assert.equal(wanted.answers[2], third);
      assert.deepEqual(await seen(twins.isthmus, listener), wanted);
    });
  }
});

test('external authorization of connections as Envoy asks for it', { skip: withoutReference }, async (t) => {
  const asked: string[] = [];
  const note = (request: CheckRequest) => {
    const { source, destination } = request.attributes!;
    const hosts = [source, destination].map((one) => {
      const address = one?.address?.address;
      return address?.case === 'socketAddress' ? address.value.address : '';
    });
    asked.push([...hosts, request.attributes?.request === undefined].join(' '));
  };
  const verdicts: Record<string, UnaryAnswer<CheckResponse>> = {
    allowed: fromJson(CheckResponseSchema, { status: {} }),
    denied: fromJson(CheckResponseSchema, { status: { code: 7 } }),
    error: { code: 14, details: 'away' },
    lenient: { code: 14, details: 'away' },
    silent: 'silence',
  };
  const server = (verdict: UnaryAnswer<CheckResponse>) => (inner: TestContext) =>
    unaryServer(
      inner,
      '/envoy.service.auth.v3.Authorization/Check',
      { request: CheckRequestSchema, response: CheckResponseSchema },
      (request) => {
        note(request);
        return verdict;
      },
    );
  const names = [...Object.keys(verdicts), 'skipped'];
  const rbac = named('envoy.filters.network.rbac', 'network.rbac.v3.RBAC', {
    stat_prefix: 'rbac.',
    shadow_rules_stat_prefix: 'custom_',
    shadow_rules: {
      action: 'DENY',
      policies: { 'custom-all': { permissions: [{ any: true }], principals: [{ any: true }] } },
    },
  });
  const enabledFor = (prefix: string) => ({
    filter_enabled_metadata: {
      filter: 'envoy.filters.network.rbac',
      path: [{ key: 'custom_shadow_effective_policy_id' }],
      value: { string_match: { prefix } },
    },
  });
  const twins = await twinProxies(t, {
    listeners: names,
    servers: Object.fromEntries(Object.entries(verdicts).map(([name, verdict]) => [`to-${name}`, server(verdict)])),
    bootstrap: (env) => ({
      static_resources: {
        listeners: names.map((name) =>
          tcpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters: [
              rbac,
              named('envoy.filters.network.ext_authz', 'network.ext_authz.v3.ExtAuthz', {
                stat_prefix: name,
                transport_api_version: 'V3',
                failure_mode_allow: name === 'lenient',
                grpc_service: {
                  envoy_grpc: { cluster_name: name === 'skipped' ? 'to-denied' : `to-${name}` },
                  timeout: '0.2s',
                },
                ...enabledFor(name === 'skipped' ? 'other' : 'custom-'),
              }),
            ],
          }),
        ),
        clusters: [
          cluster('backend', env.backend('backend')),
          ...Object.keys(verdicts).map((name) => cluster(`to-${name}`, env.backend(`to-${name}`), HTTP2)),
        ],
      },
    }),
  });
  const seen = async (twin: Twin, name: string) => {
    const socket = await open(twin, name);
    const answer = await new Promise<string>((resolve) => {
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1').slice(0, 12)));
      socket.once('close', () => resolve('closed'));
      socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    });
    socket.destroy();
    return { answer, log: await twin.logLines(name), asked: asked.splice(0) };
  };
  for (const name of names) {
    await t.test(name, async () => {
      const wanted = await seen(twins.envoy, name);
      assert.equal(wanted.answer, ['allowed', 'lenient', 'skipped'].includes(name) ? 'HTTP/1.1 200' : 'closed');
      assert.equal(wanted.asked.length, name === 'skipped' ? 0 : 1);
      assert.deepEqual(await seen(twins.isthmus, name), wanted);
    });
  }
  await t.test('statistics', async () => {
    const stats = async (twin: Twin) => (await twin.admin('/stats?filter=^ext_authz')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
