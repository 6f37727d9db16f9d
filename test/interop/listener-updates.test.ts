import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { any, cluster, httpListener, named, socketAddress } from '../support/envoy-config.ts';
import { accepts, until, withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** What becomes of connections when LDS, out of a file, changes their listener or takes it away. */

/** How long connections have whose chain or listener goes. */
const DRAIN_S = 3;
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const CLIENTS = { a: '127.0.0.2', b: '127.0.0.3' };

const http = (body: string): JsonObject => {
  const route = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } };
  const { filter_chains } = httpListener('it', { port: 1, log: '/dev/null', routes: [route] });
  return (filter_chains as { filters: JsonObject[] }[])[0].filters[0];
};

const tcp = (prefix: string): JsonObject =>
  named('envoy.filters.network.tcp_proxy', 'network.tcp_proxy.v3.TcpProxy', { stat_prefix: prefix, cluster: 'echo' });

const chain = (client: keyof typeof CLIENTS, filter: JsonObject): JsonObject => ({
  name: client,
  filter_chain_match: { source_prefix_ranges: [{ address_prefix: CLIENTS[client], prefix_len: 32 }] },
  filters: [filter],
});

const listener = (name: string, port: number, chains: JsonObject[], more: JsonObject = {}): JsonObject => ({
  name,
  address: socketAddress(port),
  filter_chains: chains,
  ...more,
});

/** Writes the file that the proxies watch, in one move as Envoy wants it. */
function serve(twin: TwinEnv, version: number, listeners: readonly JsonObject[]): void {
  const resources = listeners.map((one) => any('envoy.config.listener.v3.Listener', one));
  const file = path.join(twin.folder, 'lds.json');
  fs.writeFileSync(`${file}.new`, JSON.stringify({ version_info: String(version), resources: resources as JsonValue }));
  fs.renameSync(`${file}.new`, file);
}

async function echo(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** A client that keeps its connection. */
class Client {
  readonly #socket: net.Socket;
  #heard = '';
  closed = false;

  constructor(port: number, from: string) {
    this.#socket = net.connect({ host: '127.0.0.1', port, localAddress: from });
    this.#socket.on('error', () => {});
    this.#socket.on('data', (more) => (this.#heard += more.toString()));
    this.#socket.on('close', () => (this.closed = true));
  }

  /** The body of the answer, and whether the connection is to be closed after it. */
  async get(): Promise<string> {
    this.#heard = '';
    this.#socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until('an answer', () => /\r\n\r\n.+/s.test(this.#heard) || this.closed);
    const body = this.#heard.split('\r\n\r\n')[1] ?? 'nothing';
    return /^connection: close\r$/im.test(this.#heard) ? `${body}, and the end` : body;
  }

  async say(text: string): Promise<string> {
    this.#heard = '';
    this.#socket.write(text);
    await until('an echo', () => this.#heard.length >= text.length || this.closed);
    return this.closed ? 'closed' : this.#heard;
  }

  async end(): Promise<void> {
    await until('the end of the connection', () => this.closed);
  }
}

const stats = async (twin: Twin) => {
  const text = await twin.admin('/stats?filter=^listener_manager\\.');
  return Object.fromEntries(
    text
      .split('\n')
      .map((line) => line.replace('listener_manager.', '').split(': '))
      .filter(([name]) => /^(listener_|total_)/.test(name))
      .map(([name, value]) => [name, Number(value)]),
  );
};

const reach = (twin: Twin, name: string, value: number) =>
  until(`${twin.program}: ${name} is ${value}`, async () => (await stats(twin))[name] === value);

const seen = async (port: number, from: string): Promise<string> => {
  const client = new Client(port, from);
  return await client.get();
};

test('connections of listeners that change end or go on as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['one', 'other', 'gone', 'plain'],
    servers: { echo },
    flags: ['--drain-time-s', String(DRAIN_S), '--drain-strategy', 'immediate'],
    bootstrap: (env) => {
      serve(env, 1, first(env));
      return {
        node: { id: 'node', cluster: 'cluster' },
        dynamic_resources: {
          lds_config: { path_config_source: { path: path.join(env.folder, 'lds.json') }, resource_api_version: 'V3' },
        },
        static_resources: { clusters: [cluster('echo', env.backend('echo'))] },
      };
    },
  });
  const both = [twins.envoy, twins.isthmus];
  /** Does the same with both, and holds what was seen of ours to what was seen of Envoy. */
  const same = async (name: string, want: object, play: (twin: Twin) => Promise<object>) => {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all(both.map(play));
      assert.deepEqual(envoy, want, 'Envoy');
      assert.deepEqual(isthmus, envoy);
    });
  };

  await same(
    'one chain of several changes',
    {
      before: ['a1', 'b1', 'tcp'],
      unchanged: 'a1',
      changed: 'b1, and the end',
      fresh: ['a1', 'b2'],
      tcpMeanwhile: 'still there',
      goaway: [false, 200, true],
      unchangedAfterwards: 'a1',
      after: {
        total_filter_chains_draining: 0,
        listener_in_place_updated: 2,
        listener_modified: 2,
        total_listeners_active: 3,
      },
    },
    async (twin) => {
      const port = twin.env.port('one');
      const [a, b, idle] = [new Client(port, CLIENTS.a), new Client(port, CLIENTS.b), new Client(port, CLIENTS.b)];
      const plain = new Client(twin.env.port('plain'), CLIENTS.b);
      const session = http2.connect(`http://127.0.0.1:${port}`, {
        createConnection: () => net.connect({ host: '127.0.0.1', port, localAddress: CLIENTS.b }),
      });
      session.on('error', () => {});
      let goaway = false;
      session.on('goaway', () => (goaway = true));
      assert.equal(await status(session), 200);
      const before = [await a.get(), await b.get(), await plain.say('tcp')];
      await idle.get();
      serve(twin.env, 2, changed(twin.env));
      await reach(twin, 'listener_in_place_updated', 2);
      const tcpMeanwhile = await plain.say('still there');
      const fresh = [await seen(port, CLIENTS.a), await seen(port, CLIENTS.b)];
      const result = {
        before,
        unchanged: await a.get(),
        changed: await b.get(),
        fresh,
        tcpMeanwhile,
        goaway: [goaway, await status(session), await until('GOAWAY', () => goaway)],
      };
      await b.end();
      // Who says nothing meanwhile is cut off in the end, as is TCP.
      await Promise.all([idle.end(), plain.end()]);
      await reach(twin, 'total_filter_chains_draining', 0);
      const counted = await stats(twin);
      session.destroy();
      return {
        ...result,
        unchangedAfterwards: await a.get(),
        after: pick(
          counted,
          'total_filter_chains_draining',
          'listener_in_place_updated',
          'listener_modified',
          'total_listeners_active',
        ),
      };
    },
  );

  await same(
    'a listener goes',
    {
      old: 'gone1, and the end',
      draining: { total_listeners_draining: 1, total_listeners_active: 2, listener_removed: 1 },
      after: { total_listeners_draining: 0 },
    },
    async (twin) => {
      const port = twin.env.port('gone');
      const [old, idle] = [new Client(port, CLIENTS.a), new Client(port, CLIENTS.a)];
      await old.get();
      await idle.get();
      serve(twin.env, 3, changed(twin.env).slice(0, 2));
      await until('nobody listens', async () => (await accepts(port)) === undefined);
      const draining = pick(
        await stats(twin),
        'total_listeners_draining',
        'total_listeners_active',
        'listener_removed',
      );
      const result = { old: await old.get(), draining };
      await old.end();
      await idle.end();
      await reach(twin, 'total_listeners_draining', 0);
      return { ...result, after: pick(await stats(twin), 'total_listeners_draining') };
    },
  );

  await same(
    'a listener moves',
    {
      old: 'a1, and the end',
      fresh: 'a1',
      counted: { listener_modified: 3, listener_in_place_updated: 2, listener_added: 3, listener_create_success: 6 },
    },
    async (twin) => {
      const port = twin.env.port('one');
      const [old, idle] = [new Client(port, CLIENTS.a), new Client(port, CLIENTS.a)];
      await old.get();
      await idle.get();
      const [one, plain] = changed(twin.env);
      serve(twin.env, 4, [{ ...one, address: socketAddress(twin.env.port('other')) }, plain]);
      await until('nobody listens', async () => (await accepts(port)) === undefined);
      const fresh = await seen(twin.env.port('other'), CLIENTS.a);
      const result = { old: await old.get(), fresh };
      await old.end();
      await idle.end();
      return {
        ...result,
        counted: pick(
          await stats(twin),
          'listener_modified',
          'listener_in_place_updated',
          'listener_added',
          'listener_create_success',
        ),
      };
    },
  );

  await same(
    'sockets of a listener change where they are',
    { old: 'a1, and the end', fresh: 'a1', refused: 'a1', counted: { listener_in_place_updated: 2 } },
    async (twin) => {
      const port = twin.env.port('other');
      const [old, idle] = [new Client(port, CLIENTS.a), new Client(port, CLIENTS.a)];
      await old.get();
      await idle.get();
      const [one, plain] = changed(twin.env);
      const at = (name: number) => ({
        ...one,
        address: socketAddress(port),
        socket_options: [{ level: SOL_SOCKET, name, int_value: '1' }],
      });
      serve(twin.env, 5, [at(SO_KEEPALIVE), plain]);
      await reach(twin, 'listener_modified', 4);
      const result = { old: await old.get(), fresh: await seen(port, CLIENTS.a) };
      await old.end();
      await idle.end();
      // What the kernel does not take changes nothing.
      serve(twin.env, 6, [at(9999), plain]);
      await until('a refusal', async () => (await stats(twin)).listener_create_failure > 0);
      const refused = await seen(port, CLIENTS.a);
      return { ...result, refused, counted: pick(await stats(twin), 'listener_in_place_updated') };
    },
  );
});

const pick = (all: Readonly<Record<string, number>>, ...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, all[name]]));

function first(env: TwinEnv): JsonObject[] {
  return [
    listener('one', env.port('one'), [chain('a', http('a1')), chain('b', http('b1'))]),
    listener('plain', env.port('plain'), [chain('b', tcp('t1'))]),
    listener('gone', env.port('gone'), [chain('a', http('gone1'))]),
  ];
}

function changed(env: TwinEnv): JsonObject[] {
  return [
    listener('one', env.port('one'), [chain('a', http('a1')), chain('b', http('b2'))]),
    listener('plain', env.port('plain'), [chain('b', tcp('t2'))]),
    first(env)[2],
  ];
}

async function status(session: http2.ClientHttp2Session): Promise<unknown> {
  if (session.closed || session.destroyed) return 'closed';
  const stream = session.request({ ':path': '/' });
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  stream.resume();
  await once(stream, 'close');
  return headers[':status'];
}
