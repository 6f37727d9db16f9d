import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { TestPki } from '../../../test/support/pki.ts';
import { scratch } from '../../../test/support/reference.ts';
import { silentLogger } from '../../base/log.ts';
import { GrpcServer, unary } from '../../wire/grpc/server.ts';
import { GrpcCode } from '../../wire/grpc/transport.ts';
import { Http2ServerCodec } from '../../wire/http2/server.ts';
import type { DataPlane } from '../data-plane/data-plane.ts';
import { type HttpCall, httpCall } from '../http/client.ts';
import { CodecSocket } from '../net/codec-socket.ts';
import { parseAppProbers } from './app-probers.ts';
import { AgentMetrics } from './metrics.ts';
import { type StatusOptions, StatusServer } from './server.ts';

interface More extends Partial<Omit<StatusOptions, 'scrape' | 'probes'>> {
  readonly scrape?: Partial<StatusOptions['scrape']>;
  readonly probers?: object;
}

async function start(t: TestContext, more: More = {}) {
  const metrics = new AgentMetrics();
  const { scrape, probers, ...options } = more;
  const destination = (port: number) => ({ host: '127.0.0.1', port });
  const server = new StatusServer({
    renew() {},
    readiness: async () => undefined,
    quit() {},
    drain: async () => {},
    isOwn: () => true,
    debug: new Map([['thing', () => ({ a: 1 })]]),
    scrape: { metrics, proxy: () => undefined, target: undefined, destination, ...scrape },
    probes: { probers: parseAppProbers(probers && JSON.stringify(probers)), destination, http2: true },
    log: silentLogger,
    ...options,
  });
  t.after(() => server.close());
  await server.listen([{ host: '127.0.0.1', port: 0 }]);
  const ask = async (where: string, call: Partial<HttpCall> = {}) => {
    const base = { host: '127.0.0.1', port: server.port, path: where, timeoutMs: 10_000, maxBodyBytes: 1 << 20 };
    const { status, headers, body } = await httpCall({ ...base, ...call });
    return { status, type: headers.get('content-type'), body: body.toString() };
  };
  return { server, metrics, ask };
}

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    if (server instanceof http.Server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('readiness, and what there is besides', async (t) => {
  let problem: string | undefined = 'not yet';
  const { ask } = await start(t, { readiness: async () => problem });
  assert.deepEqual(await ask('/healthz/ready'), { status: 503, type: 'text/plain; charset=utf-8', body: 'not yet\n' });
  problem = undefined;
  assert.deepEqual(await ask('/healthz/ready'), { status: 200, type: undefined, body: '' });
  assert.equal((await ask('/nothing')).status, 404);
  assert.deepEqual(JSON.parse((await ask('/debug/thing')).body), { a: 1 });
  assert.match((await ask('/debug/other')).body, /there are: \/debug\/thing/);
});

test('ending and draining are for POST', async (t) => {
  const done: string[] = [];
  const { ask } = await start(t, {
    quit: () => void done.push('quit'),
    renew: () => void done.push('renew'),
    drain: async () => {
      done.push('drain');
      if (done.length > 2) throw new Error('no proxy');
    },
  });
  assert.equal((await ask('/quitquitquit')).status, 405);
  assert.deepEqual((await ask('/quitquitquit', { method: 'POST' })).body, 'OK');
  assert.deepEqual((await ask('/drain', { method: 'POST' })).body, 'OK');
  assert.deepEqual(await ask('/drain', { method: 'POST' }), {
    status: 500,
    type: 'text/plain; charset=utf-8',
    body: 'no proxy\n',
  });
  assert.equal((await ask('/certificates/renew')).status, 405);
  assert.deepEqual((await ask('/certificates/renew', { method: 'POST' })).body, 'OK');
  assert.deepEqual(done, ['quit', 'drain', 'drain', 'renew']);
});

const PROXY = {
  stats: async (query: string) => Buffer.from(`envoy{q="${query}"} 1\n`),
} as unknown as DataPlane;

test('the metrics of agent, proxy and program are one text', async (t) => {
  const seen: http.IncomingHttpHeaders[] = [];
  let type = 'text/plain; version=0.0.4';
  let body = 'app 1';
  const app = http.createServer((request, response) => {
    seen.push({ ...request.headers, url: request.url });
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  const target = { port: await listening(t, app), path: '/m' };
  const { ask, metrics } = await start(t, { scrape: { proxy: () => PROXY, target } });
  const headers = [
    ['accept', 'x/y'],
    ['x-prometheus-scrape-timeout-seconds', '5'],
    ['cookie', 'secret'],
  ] as const;
  const first = await ask('/stats/prometheus?usedonly', { headers });
  assert.equal(first.type, 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(first.body, /^# HELP istio_agent_[\s\S]*istio_agent_scrapes_total 1\nenvoy\{q="usedonly"\} 1\napp 1\n$/);
  const { accept, cookie, url } = seen[0];
  assert.deepEqual([accept, cookie, url], ['x/y', undefined, '/m']);
  type = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
  body = 'app 2\n# EOF\n';
  const open = await ask('/metrics');
  assert.equal(open.type, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.match(open.body, /app 2\n# EOF\n$/);
  body = 'x'.repeat((10 << 20) + 1);
  const large = await ask('/metrics');
  assert.match(large.body, /envoy\{q=""\} 1\n$/, 'too large: none of it');
  assert.equal(metrics.get('scrape_failures_total', 'application'), 1);
});

test('what cannot be scraped is left out and counted', async (t) => {
  const target = { port: await freePort(), path: '/metrics' };
  const proxy = { stats: () => Promise.reject(new Error('away')) } as unknown as DataPlane;
  const { ask } = await start(t, { scrape: { proxy: () => proxy, target } });
  const { status, body } = await ask('/metrics');
  assert.equal(status, 200);
  assert.match(body, /istio_agent_scrape_failures_total\{type="envoy"\} 1\n/);
  assert.match(body, /istio_agent_scrape_failures_total\{type="application"\} 1\n/);
});

const probe = (name: string, probers: Record<string, object>) =>
  Object.fromEntries(Object.entries(probers).map(([key, value]) => [`/app-health/${name}/${key}`, value]));

test('probes over HTTP: status, body, headers, host and redirects', async (t) => {
  const seen: string[] = [];
  const app = http.createServer(({ url, headers }, response) => {
    seen.push(`${url} ${headers.host} ${headers['x-probe']}`);
    if (url === '/to') response.writeHead(302, { location: '/ok' }).end();
    else if (url === '/away') response.writeHead(301, { location: 'http://other.example/' }).end();
    else if (url === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (url === '/hang') return;
    else response.writeHead(url === '/ok' ? 200 : 418).end('x'.repeat(20_000));
  });
  const port = await listening(t, app);
  const at = (where: string) => ({ httpGet: { path: where, port }, timeoutSeconds: where === '/hang' ? 0.05 : 10 });
  const { ask, server } = await start(t, {
    probers: {
      ...probe('a', { livez: at('/ok'), readyz: at('/teapot'), startupz: at('/to') }),
      ...probe('b', { livez: at('/away'), readyz: at('/loop'), startupz: at('/hang') }),
      ...probe('c', { livez: { httpGet: { port: await freePort() } } }),
    },
  });
  const ok = await ask('/app-health/a/livez', { headers: [['x-probe', 'kubelet']], authority: `web:${server.port}` });
  assert.deepEqual([ok.status, ok.body.length], [200, 10 * 1024]);
  assert.deepEqual(seen, [`/ok web:${port} kubelet`]);
  assert.equal((await ask('/app-health/a/readyz')).status, 418);
  assert.equal((await ask('/app-health/a/startupz')).status, 200);
  assert.equal((await ask('/app-health/b/livez')).status, 200, 'a redirect elsewhere is a success');
  assert.equal((await ask('/app-health/b/readyz')).status, 500, 'redirects have an end');
  assert.equal((await ask('/app-health/b/startupz')).status, 500);
  assert.equal((await ask('/app-health/c/livez')).status, 500);
  assert.deepEqual(await ask('/app-health/x/livez'), {
    status: 400,
    type: 'text/plain; charset=utf-8',
    body: 'app prober config does not exists for /app-health/x/livez',
  });
});

test('probes over HTTPS take any certificate, and HTTP/2', async (t) => {
  const pki = await TestPki.make(path.join(scratch(t), 'pki'));
  const { cert, key } = await pki.issue({ dnsNames: ['nobody'] });
  const alpn: (string | false | null)[] = [];
  const server = tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
    alpn.push(socket.alpnProtocol);
    const io = new CodecSocket(socket);
    const grpc = new GrpcServer(new Map());
    const codec = new Http2ServerCodec(io, {
      // Not gRPC: it answers 405 to a GET, which is an answer.
      newStream: (stream) => grpc.newStream(stream),
      onConnectionError: () => io.close(),
      onConnectionDone: () => io.close(),
    });
    io.attach(codec);
  });
  const port = await listening(t, server);
  const { ask } = await start(t, {
    probers: probe('a', { livez: { httpGet: { port, scheme: 'HTTPS' }, timeoutSeconds: 10 } }),
  });
  assert.equal((await ask('/app-health/a/livez')).status, 405);
  assert.deepEqual(alpn, ['h2']);
});

test('probes over TCP and gRPC', async (t) => {
  const sources: (string | undefined)[] = [];
  const plain = await listening(
    t,
    net.createServer((socket) => void sources.push(socket.remoteAddress)),
  );
  const health = new Map([
    [
      '/grpc.health.v1.Health/Check',
      unary((request, _call, respond) => {
        const service = Buffer.from(request).toString().slice(2);
        if (service === 'unknown') respond({ code: GrpcCode.NotFound, message: 'unknown service' });
        else respond(Uint8Array.of(0x08, service === 'down' ? 2 : 1));
      }),
    ],
  ]);
  const grpcServer = net.createServer((socket) => {
    const io = new CodecSocket(socket);
    const grpc = new GrpcServer(health);
    const codec = new Http2ServerCodec(io, {
      newStream: (stream) => grpc.newStream(stream),
      onConnectionError: () => io.close(),
      onConnectionDone: () => io.close(),
    });
    io.attach(codec);
  });
  const port = await listening(t, grpcServer);
  const closed = await freePort();
  const grpc = (service: string | undefined, at = port) => ({ grpc: { port: at, service }, timeoutSeconds: 10 });
  const { ask } = await start(t, {
    probers: {
      ...probe('tcp', { livez: { tcpSocket: { port: plain } }, readyz: { tcpSocket: { port: closed } } }),
      ...probe('a', { livez: grpc(undefined), readyz: grpc('up'), startupz: grpc('down') }),
      ...probe('b', { livez: grpc('unknown'), readyz: grpc('', closed), startupz: grpc('', plain) }),
    },
  });
  const status = async (where: string) => (await ask(`/app-health/${where}`)).status;
  assert.equal(await status('tcp/livez'), 200);
  if (process.platform === 'linux') assert.deepEqual(sources.splice(0), ['127.0.0.6']);
  assert.equal(await status('tcp/readyz'), 500);
  assert.equal(await status('a/livez'), 200);
  assert.equal(await status('a/readyz'), 200);
  assert.equal(await status('a/startupz'), 500);
  assert.equal(await status('b/livez'), 500);
  assert.equal(await status('b/readyz'), 500);
});

test('metrics have help, type and their label', () => {
  const metrics = new AgentMetrics();
  metrics.increment('num_outgoing_requests', 'csr');
  metrics.add('num_outgoing_requests', 2, 'csr');
  metrics.set('istio_build', 1, '1.31.0');
  metrics.set('cert_expiry_seconds', 5, 'default');
  metrics.remove('cert_expiry_seconds', 'default');
  let collected = 0;
  metrics.collect(() => collected++);
  const text = metrics.text();
  assert.equal(collected, 1);
  assert.match(
    text,
    /# HELP istio_agent_num_outgoing_requests Number of total outgoing requests\.\n# TYPE istio_agent_num_outgoing_requests counter\nistio_agent_num_outgoing_requests\{request_type="csr"\} 3\n/,
  );
  assert.match(text, /istio_agent_istio_build\{component="agent",tag="1\.31\.0"\} 1\n/);
  assert.doesNotMatch(text, /cert_expiry/);
  assert.match(text, /istio_agent_process_resident_memory_bytes \d+\n/);
});

test('orders and looks inside are for the pod itself', async (t) => {
  let ended = 0;
  const asked: string[] = [];
  const isOwn = (address: string) => asked.push(address) > 1;
  const { ask } = await start(t, { isOwn, quit: () => ended++ });
  assert.deepEqual(await ask('/quitquitquit', { method: 'POST' }), {
    status: 403,
    type: 'text/plain; charset=utf-8',
    body: 'Only requests from localhost are allowed\n',
  });
  assert.equal(ended, 0);
  assert.equal((await ask('/quitquitquit', { method: 'POST' })).status, 200);
  assert.equal(ended, 1);
  assert.deepEqual(asked, ['127.0.0.1', '127.0.0.1']);
});
