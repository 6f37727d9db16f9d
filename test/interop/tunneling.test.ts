import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, fileLog, HTTP2, named, socketAddress } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** What the proxies at the other end were asked, by port. */
const asked = new Map<number, string[]>();

/** Headers that are not of the connection. */
const shown = (headers: http.IncomingHttpHeaders) =>
  Object.entries(headers)
    .filter(([name]) => !/^(?:x-request-id)$/.test(name))
    .map(([name, value]) => `${name}: ${String(value)}`)
    .sort();

/** Says everything back in capitals; ends when it is told to quit, and resets when it is told to crash. */
function shout(stream: Duplex, crash: () => void): void {
  stream.on('data', (data: Buffer) => {
    const text = data.toString('latin1');
    if (text.includes('crash')) crash();
    else if (text.includes('quit')) stream.end('BYE');
    else stream.write(text.toUpperCase());
  });
  stream.on('end', () => stream.end());
  stream.on('error', () => {});
}

/** Answers by what the host of the tunnel is called: `s403.test` with 403, others with 200. */
const statusOf = (host: string) => Number(/^s(\d+)\./.exec(host)?.[1] ?? 200);

async function proxy1(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => {
    note(request.socket.localPort!, `${request.method} ${request.url}`, shown(request.headers));
    const status = statusOf(request.headers.host ?? '');
    response.writeHead(status, { 'x-answer': 'a' });
    if (status !== 200) {
      response.end();
      return;
    }
    response.flushHeaders();
    request.on('data', (data: Buffer) => {
      const text = data.toString('latin1');
      if (text.includes('crash')) request.socket.resetAndDestroy();
      else if (text.includes('quit')) response.end('BYE');
      else response.write(text.toUpperCase());
    });
    request.on('end', () => response.end());
    request.on('error', () => {});
  });
  server.on('connect', (request, socket: net.Socket, head: Buffer) => {
    note(socket.localPort!, `CONNECT ${request.url}`, shown(request.headers));
    const status = statusOf(request.url ?? '');
    socket.on('error', () => {});
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    socket.write('HTTP/1.1 200 OK\r\nx-answer: a\r\n\r\n');
    shout(socket, () => socket.resetAndDestroy());
    if (head.length > 0) socket.unshift(head);
  });
  return await listening(t, server);
}

async function proxy2(t: TestContext): Promise<number> {
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    const method = String(headers[':method']);
    const authority = String(headers[':authority']);
    note((stream.session!.socket as net.Socket).localPort!, method, shown(headers as http.IncomingHttpHeaders));
    const status = statusOf(authority);
    stream.on('error', () => {});
    if (status !== 200) {
      stream.respond({ ':status': status }, { endStream: true });
      return;
    }
    stream.respond({ ':status': 200, 'x-answer': 'a' });
    shout(stream, () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
  });
  return await listening(t, server);
}

function note(port: number, line: string, headers: readonly string[]): void {
  const list = asked.get(port) ?? [];
  asked.set(port, list);
  list.push([line, ...headers].join('\n'));
}

async function listening(t: TestContext, server: net.Server | http2.Http2Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Tunnel {
  readonly to: 'proxy1' | 'proxy2';
  readonly config: JsonObject;
  readonly proxy?: JsonObject;
}

const ADDED = [
  { header: { key: 'x-added', value: 'from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
  { header: { key: 'x-static', value: 's' } },
];

const TUNNELS: Readonly<Record<string, Tunnel>> = Object.fromEntries(
  (['proxy1', 'proxy2'] as const).flatMap((to) =>
    Object.entries<Omit<Tunnel, 'to'>>({
      connect: { config: { hostname: 'host.test:443' } },
      post: { config: { hostname: 'host.test:443', use_post: true } },
      path: { config: { hostname: 'host.test', use_post: true, post_path: '/path?q' } },
      headers: { config: { hostname: 'host.test:1', headers_to_add: ADDED, propagate_response_headers: true } },
      format: { config: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:1' } },
      refused: { config: { hostname: 's403.test:1' } },
      'post-refused': { config: { hostname: 's403.test:1', use_post: true } },
      created: { config: { hostname: 's201.test:1' } },
      again: { config: { hostname: 's503.test:1' }, proxy: { max_connect_attempts: 3 } },
    }).map(([name, tunnel]) => [`${to}-${name}`, { to, ...tunnel }]),
  ),
);

const FORMAT =
  '%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %UPSTREAM_CLUSTER% %BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_HOST%';

const listenerOf = (env: TwinEnv, name: string, { to, config, proxy }: Tunnel): JsonObject => ({
  name,
  address: socketAddress(env.port(name)),
  filter_chains: [
    {
      filters: [
        named('envoy.filters.network.tcp_proxy', 'network.tcp_proxy.v3.TcpProxy', {
          stat_prefix: name,
          cluster: to,
          tunneling_config: config,
          access_log: [fileLog(env.log(name), FORMAT)],
          ...proxy,
        }),
      ],
    },
  ],
});

/** Sends pieces, each when the one before has been answered, and closes; resolves with what came back. */
function converse(port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    let next = 0;
    const socket = net.connect(port, '127.0.0.1');
    const more = () => {
      if (next < pieces.length) socket.write(pieces[next++]);
      else socket.destroy();
    };
    socket.on('connect', more);
    socket.on('data', (data: Buffer) => {
      received += data.toString('latin1');
      more();
    });
    socket.on('error', () => (received += ' reset'));
    socket.on('close', () => resolve(received));
    socket.setTimeout(5000, () => {
      reject(new Error(`no end after ${JSON.stringify(received)}`));
      socket.destroy();
    });
  });
}

test('TCP travels inside of CONNECT and POST as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: Object.keys(TUNNELS),
    servers: { proxy1, proxy2 },
    bootstrap: (env) => ({
      static_resources: {
        listeners: Object.entries(TUNNELS).map(([name, tunnel]) => listenerOf(env, name, tunnel)),
        clusters: [cluster('proxy1', env.backend('proxy1')), cluster('proxy2', env.backend('proxy2'), HTTP2)],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];
  const seen = async (twin: Twin, listener: string, pieces: readonly string[]) => {
    const port = twin.env.backend(TUNNELS[listener].to);
    asked.set(port, []);
    const text = await converse(twin.env.port(listener), pieces);
    // Our proxy reads what a client sends while there is no tunnel yet, and so ends without a reset.
    const said = /refused|created|again|plain/.test(listener) ? text.replace(' reset', '') : text;
    return { text: said, asked: asked.get(port), log: await twin.logLines(listener) };
  };

  for (const listener of Object.keys(TUNNELS)) {
    for (const [name, pieces] of [
      ['until the client goes', ['hello', 'again']],
      ['until the server crashes', ['hello', 'crash']],
    ] as const) {
      await t.test(`${listener}: ${name}`, async () => {
        const [envoy, isthmus] = await Promise.all(both.map((twin) => seen(twin, listener, pieces)));
        assert.deepEqual(isthmus, envoy);
      });
    }
  }
});
