import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, tcpListener } from '../support/envoy-config.ts';
import { type TestCertificate, TestPki } from '../support/pki.ts';
import { scratch, until, withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** How ends, resets and slow readers pass through a TCP proxy, with TLS on either side, both or none. */

interface Scene {
  /** What the server does with a connection. */
  server(socket: net.Socket): void;
  /** What the client does, and tells. */
  client(socket: net.Socket): Promise<string>;
}

const MEGABYTE = Buffer.alloc(1024 * 1024, 'x');

/** All that comes, and how it ends. */
function gather(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    let bytes = 0;
    let start = '';
    let ended = false;
    let reset = false;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (start.length < 40) start += chunk.toString('latin1', 0, 40);
    });
    socket.on('end', () => {
      ended = true;
    });
    socket.on('error', () => {
      reset = true;
    });
    socket.on('close', () =>
      resolve(`${bytes} bytes ${start.slice(0, 40)} ${ended ? 'end' : reset ? 'reset' : 'gone'}`),
    );
  });
}

const SCENES: Readonly<Record<string, Scene>> = {
  'the client ends first, the server answers then': {
    server(socket) {
      let got = 0;
      socket.on('data', (chunk) => (got += chunk.length));
      socket.on('end', () => socket.end(`got ${got}`));
    },
    async client(socket) {
      const all = gather(socket);
      socket.end('question');
      return await all;
    },
  },
  'the server ends first, the client goes on': {
    server(socket) {
      socket.end('hello');
      let got = '';
      socket.on('data', (chunk) => (got += chunk));
      socket.on('end', () => socket.emit('told', got));
    },
    async client(socket) {
      const all = gather(socket);
      await once(socket, 'end');
      socket.end('after your end');
      return await all;
    },
  },
  'the server speaks first': {
    server(socket) {
      socket.write('220 ready\r\n');
      socket.once('data', () => socket.end('bye'));
    },
    async client(socket) {
      const all = gather(socket);
      await once(socket, 'data');
      socket.end('quit');
      return await all;
    },
  },
  'much data, then an end': {
    server(socket) {
      for (let i = 0; i < 8; i++) socket.write(MEGABYTE);
      socket.end('last');
      socket.resume();
    },
    async client(socket) {
      const all = gather(socket);
      socket.pause();
      await new Promise((resolve) => setTimeout(resolve, 300));
      socket.resume();
      socket.end();
      return await all;
    },
  },
  'much data the other way': {
    server(socket) {
      let got = 0;
      socket.pause();
      setTimeout(() => socket.resume(), 300);
      socket.on('data', (chunk) => (got += chunk.length));
      socket.on('end', () => socket.end(`got ${got}`));
    },
    async client(socket) {
      const all = gather(socket);
      for (let i = 0; i < 8; i++) socket.write(MEGABYTE);
      socket.end();
      return await all;
    },
  },
  'the server resets': {
    server(socket) {
      socket.once('data', () => resetOf(socket));
    },
    async client(socket) {
      const all = gather(socket);
      socket.write('x');
      return await all;
    },
  },
  'the client resets': {
    server(socket) {
      socket.write('hello');
      socket.resume();
    },
    async client(socket) {
      await once(socket, 'data');
      resetOf(socket);
      return 'reset';
    },
  },
  'the server goes before it was asked': {
    server(socket) {
      socket.end();
    },
    async client(socket) {
      const all = gather(socket);
      await once(socket, 'end');
      socket.end();
      return await all;
    },
  },
};

/** Under TLS it is the socket below that can do that. */
function resetOf(socket: net.Socket): void {
  const raw = (socket as { _parent?: net.Socket })._parent ?? socket;
  raw.resetAndDestroy();
}

const NAMES = Object.keys(SCENES);

/** A server whose first byte says which scene is to be played. */
function play(socket: net.Socket): void {
  socket.on('error', () => {});
  socket.once('data', (chunk: Buffer) => {
    const scene = SCENES[NAMES[chunk[0]! - 65]!]!;
    if (chunk.length > 1) socket.unshift(chunk.subarray(1));
    scene.server(socket);
  });
}

async function listen(t: TestContext, server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

const KINDS = ['plain', 'TLS from clients', 'TLS to servers', 'TLS on both sides'];

function bootstrap(env: TwinEnv, leaf: TestCertificate): JsonObject {
  const down: JsonObject = {
    name: 'tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: { inline_string: leaf.cert }, private_key: { inline_string: leaf.key } },
        ],
      },
    }),
  };
  const up: JsonObject = {
    name: 'tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { sni: 'a.test' }),
  };
  return {
    static_resources: {
      listeners: KINDS.map((kind): JsonObject => {
        const to = /servers|both/.test(kind) ? 'secure' : 'open';
        const made = tcpListener(kind, { port: env.port(kind), log: env.log(kind), proxy: { cluster: to } });
        const [chain] = made.filter_chains as JsonObject[];
        const secure: JsonObject = /clients|both/.test(kind) ? { transport_socket: down } : {};
        return { ...made, per_connection_buffer_limit_bytes: 65536, filter_chains: [{ ...chain, ...secure }] };
      }),
      clusters: [
        cluster('open', env.backend('open'), { per_connection_buffer_limit_bytes: 65536 }),
        cluster('secure', env.backend('secure'), { per_connection_buffer_limit_bytes: 65536, transport_socket: up }),
      ],
    },
  };
}

async function visit(twin: Twin, kind: string, name: string): Promise<string> {
  const port = twin.env.port(kind);
  const raw = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const socket = /clients|both/.test(kind)
    ? tls.connect({ socket: raw, rejectUnauthorized: false, allowHalfOpen: true } as tls.ConnectionOptions)
    : raw;
  socket.on('error', () => {});
  await once(socket, socket === raw ? 'connect' : 'secureConnect');
  socket.write(String.fromCharCode(65 + NAMES.indexOf(name)));
  let told: string | undefined;
  void SCENES[name]!.client(socket).then((seen) => {
    told = seen;
  });
  await until(`${twin.program}: ${name}`, () => told, 10_000).catch(() => socket.destroy());
  const lines: string[] = [];
  const read = async () => lines.push(...(await twin.logLines(kind, 0))) > 0 || undefined;
  await until('a line', read, 5000).catch(() => {});
  return `${told ?? 'never ends'} | ${lines.join(' | ')}`;
}

test('ends, resets and slow readers pass as with Envoy', { skip: withoutReference }, async (t) => {
  const leaf = await (await TestPki.make(scratch(t))).issue({ dnsNames: ['a.test'] });
  const twins = await twinProxies(t, {
    listeners: KINDS,
    servers: {
      open: (context) => listen(context, net.createServer({ allowHalfOpen: true }, play)),
      secure: (context) => listen(context, tls.createServer({ ...leaf, allowHalfOpen: true }, play)),
    },
    bootstrap: (env) => bootstrap(env, leaf),
  });
  for (const kind of KINDS) {
    await t.test(kind, async () => {
      const all = async (twin: Twin) => {
        const seen: string[] = [];
        for (const name of NAMES) seen.push(`${name}: ${await visit(twin, kind, name)}`);
        return seen;
      };
      const [envoy, isthmus] = await Promise.all([all(twins.envoy), all(twins.isthmus)]);
      assert.deepEqual(isthmus, envoy);
    });
  }
});
