import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, fileLog, named, tcpListener } from '../support/envoy-config.ts';
import { type TestCertificate, TestPki } from '../support/pki.ts';
import { scratch, until, withoutReference } from '../support/reference.ts';
import { start, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** How many connections a listener and all of them take, and how long connections may take to become some. */

/** A connection that is told, once something has become of it, whether it is served. */
async function visit(port: number): Promise<{ readonly socket: net.Socket; readonly result: string }> {
  const socket = net.connect(port, '127.0.0.1');
  let end: string | undefined;
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    end ??= code === 'ECONNRESET' || code === 'EPIPE' ? 'gone' : String(code);
  });
  socket.on('close', () => {
    end ??= 'gone';
  });
  socket.on('end', () => {
    end ??= 'gone';
  });
  socket.on('data', () => {
    end ??= 'served';
  });
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await until('something becomes of it', () => end, 2000).catch(() => {});
  return { socket, result: end ?? 'waits' };
}

async function stats(twin: Twin, filter: string): Promise<string[]> {
  const text = await twin.admin(`/stats?filter=${encodeURIComponent(filter)}`);
  return twin
    .named(text.replaceAll(/127\.0\.0\.1_(\d+)/g, '127.0.0.1:$1'))
    .split('\n')
    .map((line) => line.replace(/(failed_updates): \d+/, '$1'))
    .filter((line) => line !== '' && !line.startsWith('listener.admin.') && !line.includes('_ms: '))
    .sort();
}

/** Listeners under one limit; each is visited so many times, in turn, and all connections stay. */
interface Case {
  readonly runtime?: JsonObject;
  readonly overload?: JsonObject;
  readonly listeners: Readonly<Record<string, { readonly visits: number; readonly listener?: JsonObject }>>;
  readonly wantServed: readonly number[];
}

const maxActive = (count: number): JsonObject => ({
  resource_monitors: [
    {
      name: 'envoy.resource_monitors.global_downstream_max_connections',
      typed_config: any('envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig', {
        max_active_downstream_connections: count,
      }),
    },
  ],
});

const CASES: Readonly<Record<string, Case>> = {
  'of a listener': {
    runtime: { 'envoy.resource_limits.listener.one.connection_limit': 2 },
    listeners: { one: { visits: 4 }, two: { visits: 3 } },
    wantServed: [2, 3],
  },
  'of a listener, as text': {
    runtime: { 'envoy.resource_limits.listener.one.connection_limit': '1' },
    listeners: { one: { visits: 2 } },
    wantServed: [1],
  },
  'of a listener, nested': {
    runtime: { envoy: { resource_limits: { listener: { one: { connection_limit: 1 } } } } },
    listeners: { one: { visits: 2 } },
    wantServed: [1],
  },
  'of all, by the overload manager': {
    overload: maxActive(3),
    listeners: { one: { visits: 2 }, two: { visits: 3 } },
    wantServed: [2, 1],
  },
  'of all but one': {
    overload: maxActive(2),
    listeners: {
      one: { visits: 2 },
      two: { visits: 3, listener: { ignore_global_conn_limit: true } },
      three: { visits: 1 },
    },
    wantServed: [2, 3, 0],
  },
  'of both': {
    overload: maxActive(3),
    runtime: {
      'envoy.resource_limits.listener.one.connection_limit': 1,
      'overload.global_downstream_max_connections': 9,
    },
    listeners: { one: { visits: 2 }, two: { visits: 3 } },
    wantServed: [1, 2],
  },
};

for (const [name, { runtime, overload, listeners, wantServed }] of Object.entries(CASES)) {
  test(`limits of connections ${name}, as Envoy keeps them`, { skip: withoutReference }, async (t) => {
    const names = Object.keys(listeners);
    const twins = await twinProxies(t, {
      listeners: names,
      bootstrap: (env) => ({
        admin: { ignore_global_conn_limit: true },
        ...(runtime && { layered_runtime: { layers: [{ name: 'static', static_layer: runtime }] } }),
        ...(overload && { overload_manager: overload }),
        static_resources: {
          listeners: names.map((one) =>
            tcpListener(one, {
              port: env.port(one),
              log: env.log(one),
              listener: {
                ...listeners[one]!.listener,
                access_log: [fileLog(env.log(one), 'listener %RESPONSE_FLAGS%')],
              },
            }),
          ),
          clusters: [cluster('backend', env.backend('backend'))],
        },
      }),
    });
    const seen = async (twin: Twin) => {
      const served: number[] = [];
      const open: net.Socket[] = [];
      for (const one of names) {
        const visits: string[] = [];
        for (let i = 0; i < listeners[one]!.visits; i++) {
          const { socket, result } = await visit(twin.env.port(one));
          open.push(socket);
          visits.push(result);
        }
        served.push(visits.filter((result) => result === 'served').length);
      }
      const filter =
        'cx_overflow|overload_reject|downstream_cx_active|downstream_cx_total$|downstream_pre|max_conn|max_active';
      const counted = await stats(twin, `^(listener|overload|cluster_manager|server).*(${filter})`);
      // When they have gone there is room for another.
      const port = twin.env.port(names[0]!);
      for (const socket of open) socket.destroy();
      await until('there is room again', async () => {
        const { socket, result } = await visit(port);
        socket.destroy();
        return result === 'served' || undefined;
      });
      return { served, counted };
    };
    const [envoy, isthmus] = [await seen(twins.envoy), await seen(twins.isthmus)];
    assert.deepEqual(envoy.served, wantServed, 'Envoy');
    assert.deepEqual(isthmus, envoy);
  });
}

function server(leaf: TestCertificate): JsonObject {
  return {
    name: 'tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: { inline_string: leaf.cert }, private_key: { inline_string: leaf.key } },
        ],
      },
    }),
  };
}

test('time limits of connections as Envoy keeps them', { skip: withoutReference }, async (t) => {
  const leaf = await (await TestPki.make(scratch(t))).issue({ dnsNames: ['a.test'] });
  const inspector = { listener_filters: [named('tls', 'listener.tls_inspector.v3.TlsInspector')] };
  const secure = server(leaf);
  const kinds: Readonly<
    Record<
      string,
      {
        readonly listener?: JsonObject;
        readonly chain?: JsonObject;
        readonly proxy?: JsonObject;
        say?: string;
        end?: 'half';
      }
    >
  > = {
    'listener filters': { listener: { ...inspector, listener_filters_timeout: '0.3s' } },
    'listener filters, said too little': { listener: { ...inspector, listener_filters_timeout: '0.3s' }, say: '\x16' },
    'listener filters, go on': {
      listener: { ...inspector, listener_filters_timeout: '0.3s', continue_on_listener_filters_timeout: true },
    },
    'listener filters, no limit': { listener: { ...inspector, listener_filters_timeout: '0s' } },
    'listener filters, peer ends': { listener: inspector, end: 'half' },
    handshake: { chain: { transport_socket: secure, transport_socket_connect_timeout: '0.3s' } },
    'handshake that began': {
      chain: { transport_socket: secure, transport_socket_connect_timeout: '0.3s' },
      say: '\x16\x03\x01\x02\0',
    },
    'handshake, peer ends': { chain: { transport_socket: secure }, end: 'half' },
    'handshake, peer ends early': { chain: { transport_socket: secure }, say: '\x16\x03\x01\x02\0', end: 'half' },
    'idle TCP': { proxy: { idle_timeout: '0.3s' }, say: 'GET / HTTP/1.1\r\nhost: a\r\n\r\n' },
    'idle TCP, nothing said': { proxy: { idle_timeout: '0.3s' } },
    'longest TCP': { proxy: { max_downstream_connection_duration: '0.3s' } },
  };
  const names = Object.keys(kinds);
  const twins = await twinProxies(t, {
    listeners: names,
    bootstrap: (env) => ({
      static_resources: {
        listeners: names.map((name) => {
          const { listener = {}, chain = {}, proxy } = kinds[name]!;
          const made = tcpListener(name, { port: env.port(name), log: env.log(name), proxy });
          const [one] = made.filter_chains as JsonObject[];
          return {
            ...made,
            access_log: [
              fileLog(
                env.log(name),
                'listener %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%',
              ),
            ],
            filter_chains: [{ ...one, ...chain }],
            ...listener,
          };
        }),
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  const seen = async (twin: Twin, name: string) => {
    const { say = '', end } = kinds[name]!;
    const socket = net.connect({ host: '127.0.0.1', port: twin.env.port(name), allowHalfOpen: true });
    socket.on('error', () => {});
    await once(socket, 'connect');
    let gone = false;
    socket.on('end', () => {
      gone = true;
    });
    socket.on('close', () => {
      gone = true;
    });
    socket.resume();
    if (say !== '') socket.write(say, 'latin1');
    if (end === 'half') socket.end();
    await until('it goes', () => gone || undefined, 1200).catch(() => {});
    const counted = await stats(
      twin,
      `^listener.127.0.0.1_${twin.env.port(name)}.*(cx_active|pre_cx|timeout|filter_(error|remote)|cx_destroy)`,
    );
    const ended = gone;
    socket.destroy();
    const lines: string[] = [];
    const read = async () => lines.push(...(await twin.logLines(name, 0))) > 0 || undefined;
    await until('its lines', read, 1000).catch(() => {});
    return { ended, counted, lines: lines.sort() };
  };
  for (const name of names) {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all([seen(twins.envoy, name), seen(twins.isthmus, name)]);
      assert.deepEqual(isthmus, envoy);
    });
  }
});

test('connections of TLS give their places back', { skip: withoutReference }, async (t) => {
  const leaf = await (await TestPki.make(scratch(t))).issue({ dnsNames: ['a.test'] });
  const key = 'envoy.resource_limits.listener.main.connection_limit';
  const twins = await twinProxies(t, {
    listeners: ['main'],
    bootstrap: (env) => {
      const listener = tcpListener('main', { port: env.port('main'), log: env.log('main') });
      const [chain] = listener.filter_chains as JsonObject[];
      return {
        layered_runtime: { layers: [{ name: 'static', static_layer: { [key]: 1 } }] },
        static_resources: {
          listeners: [{ ...listener, filter_chains: [{ ...chain, transport_socket: server(leaf) }] }],
          clusters: [cluster('backend', env.backend('backend'))],
        },
      };
    },
  });
  for (const twin of [twins.envoy, twins.isthmus]) {
    for (let i = 0; i < 3; i++) {
      await until(`${twin.program} serves ${i}`, async () => {
        const socket = tls.connect({ host: '127.0.0.1', port: twin.env.port('main'), rejectUnauthorized: false });
        socket.on('error', () => {});
        socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
        const [first] = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
        socket.destroy();
        return Buffer.isBuffer(first) || undefined;
      });
    }
  }
});

test('an overload manager that cannot be had is refused with its path', { skip: withoutReference }, async (t) => {
  const starting = start(t, 'isthmus', {
    listeners: [],
    bootstrap: () => ({
      overload_manager: {
        resource_monitors: [
          {
            name: 'x',
            typed_config: any('envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig', {
              max_heap_size_bytes: 1,
            }),
          },
        ],
      },
    }),
  });
  await assert.rejects(starting, /overload_manager\.resource_monitors\[0\]/);
});
