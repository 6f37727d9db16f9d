import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener, socketAddress, tcpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { compare, start, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** Options that the kernel is told of sockets, as far as it shows that it was: by the timers of connections. */

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const ONE = Buffer.from(new Uint8Array(new Int32Array([1]).buffer)).toString('base64');

const keepAlive = (state: string, seconds: number, value: JsonObject = { int_value: '1' }): JsonObject[] => [
  { description: 'on', level: SOL_SOCKET, name: SO_KEEPALIVE, ...value, state },
  { level: IPPROTO_TCP, name: TCP_KEEPIDLE, int_value: String(seconds), state },
];
const UNKNOWN = { level: SOL_SOCKET, name: 9999, int_value: '1' };

/** Listeners, and the clusters of the same names. */
const LISTENERS: Readonly<Record<string, { listener?: JsonObject; cluster?: JsonObject }>> = {
  plain: {},
  prebind: { listener: { socket_options: keepAlive('STATE_PREBIND', 1000) } },
  bound: { listener: { socket_options: keepAlive('STATE_BOUND', 2000) } },
  listening: { listener: { socket_options: keepAlive('STATE_LISTENING', 3000) } },
  bytes: { listener: { socket_options: keepAlive('STATE_PREBIND', 1000, { buf_value: ONE }) } },
  free: { listener: { freebind: true } },
  'fast open': { listener: { tcp_fast_open_queue_length: 5 } },
  'two places': {
    listener: {
      socket_options: keepAlive('STATE_PREBIND', 1000),
      additional_addresses: [
        { address: socketAddress(0, '127.0.0.5'), socket_options: { socket_options: [] } },
        { address: socketAddress(0, '127.0.0.6') },
        {
          address: socketAddress(0, '127.0.0.7'),
          socket_options: { socket_options: keepAlive('STATE_PREBIND', 5000) },
        },
      ],
    },
  },
  upstream: { cluster: { upstream_bind_config: { socket_options: keepAlive('STATE_PREBIND', 1000) } } },
  'upstream, bound': { cluster: { upstream_bind_config: { socket_options: keepAlive('STATE_BOUND', 1000) } } },
  'upstream, from an address': {
    cluster: {
      upstream_bind_config: {
        source_address: { address: '127.0.0.9', port_value: 0 },
        socket_options: keepAlive('STATE_PREBIND', 2000),
        local_address_selector: {
          name: 'default',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector',
          },
        },
      },
    },
  },
  'upstream, from an extra address': {
    cluster: {
      upstream_bind_config: {
        source_address: { address: '::1', port_value: 0 },
        socket_options: keepAlive('STATE_PREBIND', 2000),
        extra_source_addresses: [
          {
            address: { address: '127.0.0.10', port_value: 0 },
            socket_options: { socket_options: keepAlive('STATE_PREBIND', 4000) },
          },
        ],
      },
    },
  },
  'upstream, free': {
    cluster: { upstream_bind_config: { source_address: { address: '127.0.0.11', port_value: 0 }, freebind: true } },
  },
  'upstream, from nowhere': {
    cluster: { upstream_bind_config: { source_address: { address: '192.0.2.1', port_value: 0 } } },
  },
  'upstream, unknown': { cluster: { upstream_bind_config: { socket_options: [UNKNOWN] } } },
  'upstream, by tcp_keepalive': {
    cluster: {
      upstream_connection_options: {
        tcp_keepalive: { keepalive_time: 6000 },
        set_local_interface_name_on_upstream_connections: true,
      },
    },
  },
};

const HTTP = ['upstream, from nowhere', 'upstream, unknown'];

async function greeter(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${socket.remoteAddress}:${socket.remotePort}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** Connections as the kernel lists them: address, port, and the time of the keepalive timer in seconds. */
function connections(): { readonly local: string; readonly remote: string; readonly timer: number | undefined }[] {
  const endpoint = (text: string) => {
    const [address, port] = text.split(':');
    const bytes = Buffer.from(address, 'hex').reverse();
    return `${[...bytes].join('.')}:${Number.parseInt(port, 16)}`;
  };
  return fs
    .readFileSync('/proc/net/tcp', 'latin1')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [, local, remote, , , timer] = line.trim().split(/\s+/);
      const [kind, when] = timer.split(':');
      const seconds = kind === '02' ? Number.parseInt(when, 16) / 100 : undefined;
      return { local: endpoint(local), remote: endpoint(remote), timer: seconds };
    });
}

/** In thousands of seconds: the timer has been running for a moment. */
const rounded = (seconds: number | undefined) => (seconds === undefined ? undefined : Math.round(seconds / 1000));

/** What a client hears, and what timers the connections from it and to the upstream have. */
async function seen(twin: Twin, name: string, host = '127.0.0.1', port = twin.env.port(name)) {
  const socket = net.connect({ host, port });
  socket.on('error', () => {});
  let heard = '';
  socket.on('data', (more) => (heard += more.toString()));
  const closed = once(socket, 'close');
  const first = await Promise.race([once(socket, 'data').then(() => 'greeted'), closed.then(() => 'closed')]);
  if (first === 'closed') return { first, log: await twin.logLines(name) };
  const upstreamPort = twin.env.backend('greeter');
  // Acknowledgements that are under way have the connection's timer for themselves.
  const timers = await until('timers at rest', () => {
    const all = connections();
    const downstream = all.find(
      ({ local, remote }) => local === `${host}:${port}` && remote.endsWith(`:${socket.localPort}`),
    );
    const upstream = all.find(({ local, remote }) => {
      return remote === `127.0.0.1:${upstreamPort}` && local === heard.trim();
    });
    return downstream && upstream
      ? { downstream: rounded(downstream.timer), upstream: rounded(upstream.timer) }
      : undefined;
  });
  socket.destroy();
  await closed;
  await twin.logLines(name);
  return { first, from: heard.replace(/:.*/s, ''), ...timers };
}

const bootstrapOf =
  (names: readonly string[], more?: JsonObject) =>
  (env: TwinEnv): JsonObject => ({
    static_resources: {
      listeners: names.flatMap((name) => {
        const tcp = tcpListener(name, {
          port: env.port(name),
          log: env.log(name),
          proxy: { cluster: name },
          listener: { ...LISTENERS[name].listener, ...more },
        });
        if (!HTTP.includes(name)) return [tcp];
        const routes = [{ match: { prefix: '/' }, route: { cluster: name } }];
        const http = `http ${name}`;
        const format = '%UPSTREAM_TRANSPORT_FAILURE_REASON%';
        return [tcp, httpListener(http, { port: env.port(http), log: env.log(http), routes, logFormat: format })];
      }),
      clusters: names.map((name) => cluster(name, env.backend('greeter'), LISTENERS[name].cluster)),
    },
  });

test('sockets have the options that are configured, as with Envoy', { skip: withoutReference }, async (t) => {
  const names = Object.keys(LISTENERS);
  const http = HTTP.map((name) => `http ${name}`);
  const twins = await twinProxies(t, {
    listeners: [...names, ...http],
    servers: { greeter },
    bootstrap: bootstrapOf(names),
  });
  const both = [twins.envoy, twins.isthmus];
  for (const name of names) {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all(both.map((twin) => seen(twin, name)));
      assert.deepEqual(isthmus, envoy);
    });
  }
  await compare(
    t,
    twins,
    http.map((name) => ({ name, listener: name, want: { status: 503, body: /local connection failure/ } })),
  );
  await t.test('the other places', async () => {
    const timers = await Promise.all(
      both.map(async (twin) => {
        const { listener_statuses: all } = JSON.parse(await twin.admin('/listeners?format=json')) as {
          listener_statuses: {
            name: string;
            additional_local_addresses: { socket_address: { address: string; port_value: number } }[];
          }[];
        };
        const places = all.find(({ name }) => name === 'two places')!.additional_local_addresses;
        const each = places.map(({ socket_address: { address, port_value } }) =>
          seen(twin, 'two places', address, port_value),
        );
        return (await Promise.all(each)).map((one) => 'downstream' in one && one.downstream);
      }),
    );
    assert.deepEqual(timers[0], [undefined, 1, 5]);
    assert.deepEqual(timers[1], timers[0]);
  });
});

test('a listener whose option cannot be set is refused as by Envoy', { skip: withoutReference }, async (t) => {
  for (const program of ['envoy', 'isthmus'] as const) {
    const options = {
      listeners: ['plain'],
      servers: { greeter },
      bootstrap: bootstrapOf(['plain'], { socket_options: [UNKNOWN] }),
    };
    await assert.rejects(start(t, program, options), /ended/);
  }
});
