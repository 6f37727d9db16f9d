import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ProbeTarget, tryPort, tryProbe } from './probe.ts';

async function listen(t: TestContext, server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

const target = (more: Partial<ProbeTarget> = {}): ProbeTarget => ({
  address: '127.0.0.1',
  container: { name: 'main' },
  env: { PATH: process.env.PATH ?? '', WORD: 'word' },
  cwd: '/',
  enter: [],
  port: (port) => port,
  ...more,
});

async function closedPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('HTTP: statuses from 200 to 399 are good, headers are sent, ports have names', async (t) => {
  const port = await listen(
    t,
    http.createServer(({ url, headers }, response) => {
      response.statusCode = headers.x === 'y' ? 204 : Number(url?.slice(1));
      response.end();
    }),
  );
  const container = { name: 'main', ports: [{ name: 'web', containerPort: port }] };
  const probe = (path: string, httpHeaders?: { name: string; value: string }[]) =>
    tryProbe({ httpGet: { path, port: 'web', ...(httpHeaders && { httpHeaders }) } }, target({ container }));
  for (const status of [200, 302, 399]) assert.equal(await probe(`/${status}`), undefined);
  for (const status of [404, 503])
    assert.equal(await probe(`/${status}`), `HTTP probe failed with statuscode: ${status}`);
  assert.equal(await probe('/500', [{ name: 'X', value: 'y' }]), undefined);
});

test('TCP, and the ports of a program without probes', async (t) => {
  const [port, closed] = [await listen(t, net.createServer()), await closedPort()];
  assert.equal(await tryProbe({ tcpSocket: { port } }, target()), undefined);
  assert.match((await tryProbe({ tcpSocket: { port: closed } }, target()))!, /ECONNREFUSED/);
  assert.equal(await tryPort(port, target(), 1000), undefined);
  assert.equal(await tryPort(closed, target(), 1000), `nothing listens on 127.0.0.1:${closed} yet`);
  const seen = target({ port: (p) => p + 1, isListening: (p) => p === 81 });
  assert.equal(await tryPort(80, seen, 1000), undefined);
  assert.equal(await tryPort(81, seen, 1000), 'nothing listens on port 82 yet');
});

test('commands: their exit code counts, they have the environment, and run where the program does', async () => {
  const probe = (command: string[], more?: Partial<ProbeTarget>) =>
    tryProbe({ exec: { command }, timeoutSeconds: 5 }, target(more));
  assert.equal(await probe(['sh', '-c', 'test "$WORD" = word']), undefined);
  assert.equal(await probe(['sh', '-c', 'exit 3']), 'command exited with 3');
  assert.match((await probe(['no-such-program']))!, /ENOENT/);
  assert.equal(await probe([]), 'the probe has no command');
  assert.equal(await probe(['sh', '-c', 'test -z "$WORD"'], { enter: ['env', '--unset=WORD'] }), undefined);
});

test('gRPC: only SERVING is good', async (t) => {
  const server = http2.createServer();
  let status = 1;
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
  });
  const port = await listen(t, server);
  assert.equal(await tryProbe({ grpc: { port } }, target()), undefined);
  status = 2;
  assert.equal(await tryProbe({ grpc: { port } }, target()), 'gRPC probe failed with status 0');
});
