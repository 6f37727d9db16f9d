import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { TestPki } from '../support/pki.ts';
import { accepts, freePorts, scratch, until } from '../support/reference.ts';

/**
 * The proxy of a virtual machine with a bootstrap written by hand (examples/vm-mesh): the services stand behind something
 * that does what an east-west gateway and their sidecars do: mutual TLS, by server name.
 */

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const EXAMPLE = path.join(ROOT, 'examples/vm-mesh');
const FORTUNE = 'outbound_.50051_._.fortune-teller.fortune-teller.svc.cluster.local';
const FRONTEND = 'outbound_.80_._.frontend.simple-app.svc.cluster.local';

/** Ends when the test does. */
function program(t: TestContext, args: readonly string[], env: Readonly<Record<string, string>> = {}): () => string {
  let output = '';
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: 'pipe' });
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return () => output;
}

/** Lets clients with a certificate of the mesh through to what their server name stands for. */
async function gateway(
  t: TestContext,
  pki: TestPki,
  ports: Readonly<Record<string, number>>,
  seen: string[],
): Promise<number> {
  const own = await pki.issue({ uris: ['spiffe://cluster.local/ns/fortune-teller/sa/default'] });
  const sockets = new Set<net.Socket>();
  const server = tls.createServer(
    { ...own, ca: pki.roots, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['istio'] },
    (socket) => {
      sockets.add(socket);
      seen.push(`${socket.servername} ${socket.alpnProtocol}`);
      const inner = net.connect(ports[String(socket.servername)] ?? 1, '127.0.0.1');
      socket.pipe(inner).pipe(socket);
      for (const end of [socket, inner]) end.on('error', () => socket.destroy());
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as net.AddressInfo).port;
}

test('a virtual machine reaches services of the mesh by HTTP and JSON, with a bootstrap written by hand', async (t) => {
  const folder = scratch(t);
  const pki = await TestPki.make(path.join(folder, 'pki'));
  const [fortunePort, frontendPort, adminPort, listenPort] = await freePorts(4);
  const teller = program(t, [path.join(EXAMPLE, 'fortune-teller/server.mjs')], { PORT: String(fortunePort) });
  await until(`the fortune teller listens: ${teller()}`, () => accepts(fortunePort));
  const frontend = http.createServer((request, response) => response.end(`frontend ${request.url}`));
  await new Promise<void>((resolve) => frontend.listen(frontendPort, '127.0.0.1', resolve));
  t.after(() => frontend.close());
  const seen: string[] = [];
  const gatewayPort = await gateway(t, pki, { [FORTUNE]: fortunePort, [FRONTEND]: frontendPort }, seen);

  const certificate = await pki.issue({ uris: ['spiffe://cluster.local/vm/one'] });
  fs.writeFileSync(path.join(folder, 'cert.pem'), certificate.cert);
  fs.writeFileSync(path.join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
  fs.writeFileSync(path.join(folder, 'ca-cert.pem'), pki.roots);
  // Only addresses and paths are adapted.
  const bootstrap = fs
    .readFileSync(path.join(EXAMPLE, 'vm/envoy.yaml.in'), 'utf8')
    .replaceAll('/etc/config/', `${EXAMPLE}/`)
    .replaceAll('/certs/', `${folder}/`)
    .replaceAll('eastwest-gateway.example.com', 'localhost')
    .replaceAll('port_value: 15443', `port_value: ${gatewayPort}`)
    .replaceAll('port_value: 8080', `port_value: ${listenPort}`)
    .replaceAll('port_value: 15000', `port_value: ${adminPort}`);
  fs.writeFileSync(path.join(folder, 'envoy.yaml'), bootstrap);
  const proxy = program(t, [path.join(ROOT, 'src/cli/main.ts'), 'proxy', '-c', path.join(folder, 'envoy.yaml')]);
  await until('the proxy serves', async () => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/ready`);
    return (await response.text()) === 'LIVE\n';
  }).catch((error) => assert.fail(`${error}\n${proxy()}`));

  const ask = async (target: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${listenPort}${target}`, init);
    return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
  };
  const json = { method: 'POST', headers: { 'content-type': 'application/json' } };

  await t.test('one fortune', async () => {
    const { status, type, body } = await ask('/v1/fortune/alice');
    assert.deepEqual([status, type], [200, 'application/json']);
    const one = {
      userId: 'alice',
      fortune: { text: 'A letter will find you.', mood: 'GOOD' },
      fortuneCount: 5,
    };
    assert.equal(body, `${JSON.stringify(one, undefined, 1)}\n`);
  });

  await t.test('one more of them', async () => {
    const { status, body } = await ask('/v1/fortune', {
      ...json,
      body: '{"text":"Tea will be served.","mood":"GOOD"}',
    });
    assert.deepEqual([status, JSON.parse(body)], [200, { fortuneCount: 6 }]);
  });

  await t.test('a stream of fortunes is a list', async () => {
    const { status, body } = await ask('/v1/fortunes/bob?count=3');
    const moods = (JSON.parse(body) as { fortune: { mood: string } }[]).map(({ fortune }) => fortune.mood);
    assert.deepEqual([status, moods], [200, ['GOOD', 'BAD', 'GOOD']]);
  });

  await t.test('a status of gRPC as one of HTTP, with its message as body', async () => {
    const { status, body } = await ask('/v1/fortune', { ...json, body: '{}' });
    assert.deepEqual([status, JSON.parse(body)], [400, { code: 3, message: 'a fortune needs a text', details: [] }]);
  });

  await t.test('the other service, and what is no service', async () => {
    assert.deepEqual((await ask('/frontend/x')).body, 'frontend /frontend/x');
    assert.equal((await ask('/v1/unknown')).status, 404);
    assert.equal((await ask('/build.stack.fortune.FortuneTeller/Predict')).status, 404);
  });

  await t.test('the gateway saw the server names of the mesh', () => {
    assert.deepEqual([...new Set(seen)].sort(), [`${FORTUNE} istio`, `${FRONTEND} istio`]);
  });
});
