import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { CheckRequestSchema, CheckResponseSchema } from '../../src/api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import {
  RateLimitRequestSchema,
  RateLimitResponseSchema,
} from '../../src/api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { cluster, fileLog, HTTP2, named, socketAddress, tcpListener } from '../support/envoy-config.ts';
import { TestPki } from '../support/pki.ts';
import { scratch, withoutReference } from '../support/reference.ts';
import { Greeter, type Turn, talk } from '../support/tcp-talk.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';
import { unaryServer } from '../support/unary-server.ts';

/** What filters of connections do while a server behind them speaks first. */

const ANY = [{ any: true }];
const FORMAT = [
  '%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %UPSTREAM_CLUSTER%',
  ...['one', 'two'].map((key) => `%FILTER_STATE(${key}:PLAIN)%`),
  ...['ratelimit', 'ext_authz'].map((name) => `%DYNAMIC_METADATA(envoy.filters.network.${name})%`),
  '%BYTES_RECEIVED% %BYTES_SENT%',
].join(' ');

const rules = (action: string): JsonObject => ({
  action,
  policies: { some: { permissions: ANY, principals: ANY } },
});
const rbac = (fields: JsonObject) =>
  named('envoy.filters.network.rbac', 'network.rbac.v3.RBAC', { stat_prefix: 'tcp.', ...fields });
const service = (name: string) => ({ envoy_grpc: { cluster_name: `to-${name}` } });
const authorizer = (name: string, fields: JsonObject = {}) =>
  named('envoy.filters.network.ext_authz', 'network.ext_authz.v3.ExtAuthz', {
    stat_prefix: `authz-${name}`,
    transport_api_version: 'V3',
    grpc_service: { ...service(name), timeout: '5s' },
    ...fields,
  });
const limit = (name: string, fields: JsonObject = {}) =>
  named('envoy.filters.network.ratelimit', 'network.ratelimit.v3.RateLimit', {
    stat_prefix: name,
    domain: 'connections',
    timeout: '5s',
    descriptors: [
      {
        entries: [
          { key: 'from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' },
          { key: 'text', value: 'a %REQ(b)% c' },
        ],
      },
      { entries: [{ key: 'second', value: 'x' }] },
    ],
    rate_limit_service: { transport_api_version: 'V3', grpc_service: service(name) },
    ...fields,
  });
const text = (key: string, format: string): JsonObject => ({
  object_key: key,
  ...(key.startsWith('envoy.') ? {} : { factory_key: 'envoy.string' }),
  format_string: { text_format_source: { inline_string: format } },
});
const filterState = (fields: JsonObject) =>
  named('envoy.filters.network.set_filter_state', 'network.set_filter_state.v3.Config', fields);
const metadata = { shadow_rules: rules('DENY'), shadow_rules_stat_prefix: 'told_' };

/** Filters before the TCP proxy. */
const CHAINS: Readonly<Record<string, readonly JsonObject[]>> = {
  refused: [rbac({ rules: rules('DENY') })],
  'refused always': [rbac({ rules: rules('DENY'), enforcement_type: 'CONTINUOUS' })],
  'refused later': [rbac({ rules: rules('DENY'), delay_deny: '0.2s' })],
  allowed: [rbac({ rules: rules('ALLOW') })],
  'allowed always': [rbac({ rules: rules('ALLOW'), enforcement_type: 'CONTINUOUS' })],
  shadow: [rbac({ shadow_rules: rules('DENY') })],
  'shadow always': [rbac({ shadow_rules: rules('DENY'), enforcement_type: 'CONTINUOUS' })],
  logged: [rbac({ rules: rules('LOG') })],
  authorized: [authorizer('ok')],
  denied: [authorizer('denied')],
  'authorizer fails': [authorizer('error')],
  'authorizer may fail': [authorizer('error', { failure_mode_allow: true })],
  'denied in shadow mode': [authorizer('denied', { shadow_mode: true })],
  'failure in shadow mode': [authorizer('error', { shadow_mode: true })],
  'told metadata': [
    rbac(metadata),
    authorizer('ok', { metadata_context_namespaces: ['envoy.filters.network.rbac', 'none'] }),
  ],
  'allowed, then denied': [rbac({ rules: rules('ALLOW') }), authorizer('denied')],
  'refused, not asked': [rbac({ rules: rules('DENY') }), authorizer('denied')],
  'within limits': [limit('under')],
  'over limits': [limit('over')],
  'limits unknown': [limit('unsure')],
  'limits unknown, strict': [limit('unsure', { failure_mode_deny: true })],
  'states at times': [
    filterState({
      on_new_connection: [text('one', 'new')],
      on_downstream_tls_handshake: [text('one', 'secured')],
      on_downstream_data: [text('two', 'heard %BYTES_RECEIVED%')],
    }),
  ],
  'state that comes late': [filterState({ on_downstream_data: [text('envoy.tcp_proxy.cluster', 'other')] })],
};
const CONVERSATIONS: Readonly<Record<string, readonly Turn[]>> = {
  'says two things': [
    { hear: 'hello' },
    { say: 'one' },
    { hear: 'you said one' },
    { say: 'two' },
    { hear: 'you said two' },
    'end',
  ],
  'has nothing to say': [{ hear: 'hello' }, 'end'],
  'goes away': [{ hear: 'hello' }, 'leave'],
};

/** Listeners whose last filter is not a TCP proxy, with what is said to them. */
const LAST: Readonly<Record<string, readonly [JsonObject, readonly Turn[]]>> = {
  echo: [
    named('envoy.filters.network.echo', 'network.echo.v3.Echo'),
    [{ say: 'one' }, { hear: 'one' }, { say: 'two' }, { hear: 'two' }, 'end'],
  ],
  'echo of much': [
    named('envoy.filters.network.echo', 'network.echo.v3.Echo'),
    [{ say: 'x'.repeat(20_000) }, { hear: 'x'.repeat(20_000) }, 'end'],
  ],
  'echo of nothing': [named('envoy.filters.network.echo', 'network.echo.v3.Echo'), ['end']],
  answer: [
    named('envoy.filters.network.direct_response', 'network.direct_response.v3.Config', {
      response: { inline_string: 'not here\n' },
    }),
    [{ hear: 'here' }, 'end'],
  ],
  'no answer': [named('envoy.filters.network.direct_response', 'network.direct_response.v3.Config'), []],
};

const asked: string[] = [];

/** A server for what a filter asks, that writes down what it was asked. */
function authority(name: string): (t: TestContext) => Promise<number> {
  if (['ok', 'denied', 'error'].includes(name)) {
    const verdict = { ok: 0, denied: 7, error: -1 }[name];
    return (t) =>
      unaryServer(
        t,
        '/envoy.service.auth.v3.Authorization/Check',
        { request: CheckRequestSchema, response: CheckResponseSchema },
        (request) => {
          const told = request.attributes?.metadataContext?.filterMetadata ?? {};
          const namespaces = Object.entries(told).map(([key, values]) => [key, Object.entries(values).sort()]);
          asked.push(JSON.stringify([name, namespaces]));
          if (verdict === -1) return { code: 14, details: 'away' };
          return fromJson(CheckResponseSchema, { status: { code: verdict! }, dynamicMetadata: { by: name } });
        },
      );
  }
  return (t) =>
    unaryServer(
      t,
      '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
      { request: RateLimitRequestSchema, response: RateLimitResponseSchema },
      (request) => {
        asked.push(JSON.stringify(toJson(RateLimitRequestSchema, request)));
        if (name === 'unsure') return { code: 14, details: 'away' };
        const overallCode = name === 'over' ? 'OVER_LIMIT' : 'OK';
        return fromJson(RateLimitResponseSchema, { overallCode, dynamicMetadata: { by: name } });
      },
    );
}

const AUTHORITIES = ['ok', 'denied', 'error', 'under', 'over', 'unsure'];

/** Greeters of the two, by their ports. */
const greeters = new Map<number, Greeter>();
const greeter = async (t: TestContext) => {
  const one = new Greeter();
  const port = await one.listen(t);
  greeters.set(port, one);
  return port;
};

async function play(twin: Twin, listener: string, turns: readonly Turn[]) {
  const { heard, ended } = await talk(net.connect(twin.env.port(listener), '127.0.0.1'), turns);
  const log = (await twin.logLines(listener)).map((line) => line.replace(/(ext_authz_duration":)\d+/, '$1<ms>'));
  const upstream = greeters.get(twin.env.backend('greeter'))!.take();
  return { heard, ended, log, upstream, asked: asked.splice(0) };
}

test('filters of connections as Envoy has them', { skip: withoutReference }, async (t) => {
  const log = (env: TwinEnv, name: string) => ({ access_log: [fileLog(env.log(name), FORMAT)] });
  const twins = await twinProxies(t, {
    listeners: [...Object.keys(CHAINS), ...Object.keys(LAST)],
    servers: {
      greeter,
      other: greeter,
      ...Object.fromEntries(AUTHORITIES.map((name) => [`to-${name}`, authority(name)])),
    },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          ...Object.entries(CHAINS).map(([name, filters]) =>
            tcpListener(name, { port: env.port(name), log: env.log(name), filters, proxy: log(env, name) }),
          ),
          ...Object.entries(LAST).map(([name, [filter]]) => ({
            name,
            address: socketAddress(env.port(name)),
            filter_chains: [{ filters: [filter] }],
            ...log(env, name),
          })),
        ],
        clusters: [
          cluster('backend', env.backend('greeter')),
          cluster('other', env.backend('other')),
          ...AUTHORITIES.map((name) => cluster(`to-${name}`, env.backend(`to-${name}`), HTTP2)),
        ],
      },
    }),
  });
  const same = async (listener: string, turns: readonly Turn[]) => {
    const wanted = await play(twins.envoy, listener, turns);
    assert.deepEqual(await play(twins.isthmus, listener, turns), wanted);
    return wanted;
  };
  for (const listener of Object.keys(CHAINS)) {
    for (const [conversation, turns] of Object.entries(CONVERSATIONS)) {
      await t.test(`${listener}: a client ${conversation}`, async () => {
        const { heard } = await same(listener, turns);
        // Who is asked about at once hears nothing if the answer is no.
        const silent = ['over limits', 'limits unknown, strict'].includes(listener);
        assert.equal(heard.startsWith('hello\n'), !silent);
      });
    }
  }
  for (const [listener, [, turns]] of Object.entries(LAST)) {
    await t.test(listener, async () => {
      await same(listener, turns);
    });
  }

  await t.test('statistics', async () => {
    const stats = async (twin: Twin) =>
      (await twin.admin('/stats?filter=^(tcp..?rbac|ext_authz|ratelimit)')).split('\n').sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});

test('the cluster that a client names by SNI', { skip: withoutReference }, async (t) => {
  const leaf = await (await TestPki.make(scratch(t))).issue({ dnsNames: ['a.test', 'b.test'] });
  const saying = (text: string) => async (inner: TestContext) => {
    const server = tls.createServer(leaf, (socket) => {
      socket.on('error', () => {});
      socket.end(text);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    inner.after(() => server.close());
    return (server.address() as net.AddressInfo).port;
  };
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: { 'to-a': saying('this is a'), 'to-b': saying('this is b'), 'to-rest': saying('this is the rest') },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          tcpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            filters: [named('envoy.filters.network.sni_cluster', 'network.sni_cluster.v3.SniCluster')],
            proxy: { cluster: 'rest', access_log: [fileLog(env.log('main'), FORMAT)] },
            listener: {
              listener_filters: [
                named('envoy.filters.listener.tls_inspector', 'listener.tls_inspector.v3.TlsInspector'),
              ],
            },
          }),
        ],
        clusters: [
          cluster('a.test', env.backend('to-a')),
          cluster('b.test', env.backend('to-b')),
          cluster('rest', env.backend('to-rest')),
        ],
      },
    }),
  });
  const visit = async (twin: Twin, servername: string) => {
    const port = twin.env.port('main');
    const heard = await new Promise<string>((resolve) => {
      let received = '';
      const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, servername });
      socket.on('data', (more: Buffer) => (received += more.toString()));
      socket.on('error', ({ message }) => resolve(message));
      socket.on('close', () => resolve(received));
    });
    const [line] = await twin.logLines('main');
    return [heard, line.replace(/\d+ \d+$/, '')];
  };
  for (const [name, wanted] of [
    ['a.test', 'this is a'],
    ['b.test', 'this is b'],
    ['', 'this is the rest'],
    ['c.test', undefined],
  ] as const) {
    await t.test(name, async () => {
      const seen = await visit(twins.envoy, name);
      if (wanted !== undefined) assert.equal(seen[0], wanted);
      assert.deepEqual(await visit(twins.isthmus, name), seen);
    });
  }
});
