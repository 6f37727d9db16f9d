import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as pause } from 'node:timers/promises';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, HTTP2, httpListener, named, socketAddress } from '../support/envoy-config.ts';
import { start } from '../support/twin-proxies.ts';

/**
 * Large bodies travel in memory that is used again. Each here is different from all others and is held against its
 * digest at every end, while many are on their way at once, over every path that holds a body for longer.
 */

const WORKERS = 8;
const ROUNDS = 6;
const MAX_SIZE = 700_000;

const digest = (bytes: Uint8Array) => crypto.createHash('sha256').update(bytes).digest('hex');

async function bodyOf(stream: AsyncIterable<Buffer>, slow = false): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (slow) await pause();
  }
  return Buffer.concat(chunks);
}

interface Upstream {
  readonly port: number;
  /** What does not have the digest that it says. */
  readonly damaged: string[];
  /** Bodies that came. */
  count: number;
}

/** Sends back what it gets; of a path with `fails`, only at the second attempt. */
async function startUpstream(t: TestContext): Promise<Upstream> {
  const failed = new Set<string>();
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const { headers, url = '' } = request;
    const body = await bodyOf(request, url.includes('slow'));
    upstream.count++;
    if (digest(body) !== headers['x-digest']) upstream.damaged.push(`${url}: ${body.length} bytes`);
    const id = String(headers['x-id']);
    if (url.includes('fails') && !failed.has(id)) {
      failed.add(id);
      response.writeHead(503).end();
    } else response.end(body);
  };
  // Whoever goes away in the middle of a request wants no answer.
  const server = http.createServer((request, response) => void answer(request, response).catch(() => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const upstream: Upstream = { port: (server.address() as AddressInfo).port, damaged: [], count: 0 };
  return upstream;
}

/** Sends a body and returns the one that comes back. */
function exchange(port: number, path: string, body: Buffer, agent: http.Agent): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { 'x-digest': digest(body), 'x-id': crypto.randomUUID() };
    const request = http.request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent }, (response) => {
      bodyOf(response, path.includes('slow')).then((echoed) => {
        if (response.statusCode === 200) resolve(echoed);
        else reject(new Error(`${path}: ${response.statusCode}`));
      }, reject);
    });
    request.on('error', reject);
    // In pieces, so that lengths of reads vary; without a length, so in chunks.
    for (let at = 0; at < body.length; at += 150_000) request.write(body.subarray(at, at + 150_000));
    request.end();
  });
}

const RETRY = { retry_on: '5xx', num_retries: 2 };
const ROUTES: readonly JsonObject[] = [
  { match: { prefix: '/mirrored' }, route: { cluster: 'backend', request_mirror_policies: [{ cluster: 'mirror' }] } },
  { match: { prefix: '/fails' }, route: { cluster: 'backend', retry_policy: RETRY } },
  { match: { prefix: '/frames' }, route: { cluster: 'frames' } },
  { match: { prefix: '/' }, route: { cluster: 'backend' } },
];
const PATHS = ['/', '/slow', '/mirrored', '/fails', '/frames', '/buffered'];

test('large bodies arrive as they were sent, whatever else is on its way', async (t) => {
  const [upstream, mirror] = [await startUpstream(t), await startUpstream(t)];
  const twin = await start(t, 'isthmus', {
    listeners: ['main', 'frames', 'tcp'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            routes: ROUTES,
            filters: [named('envoy.filters.http.buffer', 'http.buffer.v3.Buffer', { max_request_bytes: 2 * MAX_SIZE })],
          }),
          httpListener('frames', {
            port: env.port('frames'),
            log: env.log('frames'),
            routes: [{ match: { prefix: '/' }, route: { cluster: 'backend' } }],
          }),
          {
            name: 'tcp',
            address: socketAddress(env.port('tcp')),
            filter_chains: [
              {
                filters: [named('tcp', 'network.tcp_proxy.v3.TcpProxy', { stat_prefix: 'tcp', cluster: 'backend' })],
              },
            ],
          },
        ],
        clusters: [
          cluster('backend', upstream.port, { circuit_breakers: { thresholds: [{ max_retries: 100 }] } }),
          cluster('mirror', mirror.port),
          cluster('frames', env.port('frames'), HTTP2),
        ],
      },
    }),
  });
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  let sent = 0;
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      for (let round = 0; round < ROUNDS; round++) {
        for (const path of PATHS) {
          const body = crypto.randomBytes(1 + Math.floor(Math.random() * MAX_SIZE));
          const listener = (worker + round) % 3 === 0 && path !== '/fails' ? 'tcp' : 'main';
          const echoed = await exchange(twin.env.port(listener), path, body, agent);
          assert.equal(
            digest(echoed),
            digest(body),
            `${path} by ${listener}: ${body.length} bytes, ${echoed.length} back`,
          );
          sent++;
        }
      }
    }),
  );
  assert.equal(sent, WORKERS * ROUNDS * PATHS.length);
  assert.deepEqual([upstream.damaged, mirror.damaged], [[], []]);
  assert.ok(upstream.count > sent, 'some came twice');
  assert.ok(mirror.count > 0);
});

test('a client that goes away in the middle leaves the others what is theirs', async (t) => {
  const upstream = await startUpstream(t);
  const twin = await start(t, 'isthmus', {
    listeners: ['main'],
    bootstrap: (env) => ({
      static_resources: {
        listeners: [httpListener('main', { port: env.port('main'), log: env.log('main') })],
        clusters: [cluster('backend', upstream.port)],
      },
    }),
  });
  const port = twin.env.port('main');
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const leave = () =>
    new Promise<void>((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n');
      socket.write(Buffer.alloc(400_000, 'x'), () => socket.destroy());
    });
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      if (i % 2 === 0) return await leave();
      const body = crypto.randomBytes(500_000);
      assert.equal(digest(await exchange(port, '/', body, agent)), digest(body));
    }),
  );
});
