import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import type { ReadinessProbe } from '../environment/proxy-config.ts';
import { tryProbe } from './probe.ts';

async function listen(t: TestContext, server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** What is wrong, or `well`. The program has port 9000, wherever that really is. */
async function outcome(probe: ReadinessProbe, port: number): Promise<string> {
  try {
    await tryProbe(probe, (wanted) => {
      assert.equal(wanted, 9000);
      return { host: '127.0.0.1', port };
    });
    return 'well';
  } catch (error) {
    return (error as Error).message;
  }
}

/** A port that nobody listens on. */
async function closedPort(t: TestContext): Promise<number> {
  const server = net.createServer();
  const port = await listen(t, server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('httpGet: the path, the headers and the status count', async (t) => {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.url} ${request.headers['x-from']}`);
    response.writeHead(Number(request.url!.slice(1)), { location: '/elsewhere' }).end();
  });
  const port = await listen(t, server as unknown as net.Server);
  const get = (path: string) => ({ httpGet: { path, port: 9000, httpHeaders: [{ name: 'X-From', value: 'agent' }] } });
  assert.equal(await outcome(get('/204'), port), 'well');
  assert.equal(await outcome(get('302'), port), 'well');
  for (const status of [404, 500])
    assert.equal(await outcome(get(`/${status}`), port), `status code was not from [200,400), bad code ${status}`);
  assert.deepEqual(asked.slice(0, 2), ['/204 agent', '/302 agent']);
  assert.match(await outcome(get('/204'), await closedPort(t)), /ECONNREFUSED/);
});

test('tcpSocket: somebody accepts', async (t) => {
  const probe = { tcpSocket: { port: 9000 } };
  assert.equal(await outcome(probe, await listen(t, net.createServer())), 'well');
  assert.match(await outcome(probe, await closedPort(t)), /ECONNREFUSED/);
});

test('exec: the exit code counts, and how long it takes', async () => {
  const exec = (...command: string[]) => outcome({ exec: { command }, timeoutSeconds: 1 }, 0);
  assert.equal(await exec('true'), 'well');
  assert.equal(await exec('sh', '-c', 'exit 3'), 'command exited with 3');
  assert.match(await exec('no-such-program'), /ENOENT/);
  assert.equal(await exec('sleep', '30'), 'no end within 1000 ms');
  assert.equal(await exec(), 'the probe has no command');
});

test('grpc: the service of that name serves', async (t) => {
  const SERVING = { web: 1, db: 2 } as const;
  const server = http2.createServer();
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      // HealthCheckRequest has the name as field 1, after five bytes of gRPC's frame.
      const name = Buffer.concat(chunks).subarray(7).toString() as keyof typeof SERVING;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, SERVING[name]]));
    });
  });
  const port = await listen(t, server as unknown as net.Server);
  const ask = (service: string) => outcome({ grpc: { port: 9000, service } }, port);
  assert.equal(await ask('web'), 'well');
  assert.notEqual(await ask('db'), 'well');
  assert.notEqual(await outcome({ grpc: { port: 9000 } }, await closedPort(t)), 'well');
});
