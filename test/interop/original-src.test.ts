import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { cluster, httpListener, named, tcpListener } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Upstreams that see the addresses of clients (`original_src`), and listeners that take connections to any address. */

const unprivileged = process.getuid?.() === 0 ? false : 'addresses of other machines can be had by root only';

/** Tells in HTTP from which address it was called, and closes after each answer only if it is told to. */
async function teller(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      const body = `${socket.remoteAddress}`;
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

const source = (fields: { mark?: number } = {}) =>
  named('envoy.filters.listener.original_src', 'listener.original_src.v3.OriginalSrc', fields);
const DESTINATION = named('envoy.filters.listener.original_dst', 'listener.original_dst.v3.OriginalDst');

const LISTENERS = {
  plain: { listener_filters: [] },
  source: { listener_filters: [source()] },
  marked: { listener_filters: [source({ mark: 1337 })] },
  transparent: { transparent: true, listener_filters: [DESTINATION, source({ mark: 1337 })] },
};

async function call(twin: Twin, listener: string, from: string, forwarded?: string): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port: twin.env.port(listener), localAddress: from });
  const header = forwarded === undefined ? '' : `x-forwarded-for: ${forwarded}\r\n`;
  socket.write(`GET / HTTP/1.1\r\nhost: a\r\n${header}\r\n`);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return chunk.toString().split('\r\n\r\n')[1] ?? '';
}

test('upstreams see the addresses of clients as with Envoy', { skip: withoutReference || unprivileged }, async (t) => {
  const names = Object.keys(LISTENERS) as (keyof typeof LISTENERS)[];
  const kinds = names.flatMap((name) => [`http ${name}`, `tcp ${name}`]);
  const twins = await twinProxies(t, {
    listeners: kinds,
    servers: { teller },
    bootstrap: (env) => ({
      static_resources: {
        listeners: names.flatMap((name) => {
          const of = (kind: string) => ({
            port: env.port(`${kind} ${name}`),
            log: env.log(`${kind} ${name}`),
            listener: LISTENERS[name],
          });
          return [httpListener(`http ${name}`, of('http')), tcpListener(`tcp ${name}`, of('tcp'))];
        }),
        clusters: [cluster('backend', env.backend('teller'))],
      },
    }),
  });
  for (const kind of kinds) {
    await t.test(kind, async () => {
      for (const twin of [twins.envoy, twins.isthmus]) {
        const seen: string[] = [];
        for (const from of ['127.0.0.7', '127.0.0.8', '127.0.0.7']) seen.push(await call(twin, kind, from));
        const own = ['127.0.0.1', '127.0.0.1', '127.0.0.1'];
        const clients = ['127.0.0.7', '127.0.0.8', '127.0.0.7'];
        assert.deepEqual(seen, kind.endsWith('plain') ? own : clients, twin.program);
      }
    });
  }
});

const FILTER = 'envoy.filters.http.original_src';
const HTTP_FILTERS = {
  without: [],
  filter: [named(FILTER, 'http.original_src.v3.OriginalSrc')],
  marked: [named(FILTER, 'http.original_src.v3.OriginalSrc', { mark: 1337 })],
};

test('upstreams see whom requests come from as with Envoy', { skip: withoutReference || unprivileged }, async (t) => {
  const names = Object.keys(HTTP_FILTERS) as (keyof typeof HTTP_FILTERS)[];
  const twins = await twinProxies(t, {
    listeners: names,
    servers: { teller },
    bootstrap: (env) => ({
      static_resources: {
        listeners: names.map((name) =>
          httpListener(name, { port: env.port(name), log: env.log(name), filters: HTTP_FILTERS[name] }),
        ),
        clusters: [cluster('backend', env.backend('teller'))],
      },
    }),
  });
  for (const name of names) {
    await t.test(name, async () => {
      for (const twin of [twins.envoy, twins.isthmus]) {
        const seen: string[] = [];
        // The last one is whom the header names; connections are not shared between clients.
        for (const [from, forwarded] of [['127.0.0.7'], ['127.0.0.8'], ['127.0.0.7'], ['127.0.0.7', '127.0.0.9']]) {
          seen.push(await call(twin, name, from, forwarded));
        }
        const clients = ['127.0.0.7', '127.0.0.8', '127.0.0.7', '127.0.0.9'];
        assert.deepEqual(seen, name === 'without' ? clients.map(() => '127.0.0.1') : clients, twin.program);
      }
    });
  }
});
