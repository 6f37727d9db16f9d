import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { ControlClient } from '../../src/config/control/client.ts';
import { replay } from '../support/console-blocks.ts';
import { execute, isthmusProgram, meshRecord, ownAddress, ROOT, TestedMesh } from '../support/local-mesh.ts';
import { referenceProgram, scratch, until, withoutReference } from '../support/reference.ts';

/** A virtual machine outside of the mesh, its proxy with a bootstrap written by hand: examples/vm-mesh as people use it. */

const SHELL = '/bin/sh';
const FRONTEND = 'outbound_.80_._.frontend.simple-app.svc.cluster.local';

/** Runs a program until the test ends. */
function background(t: TestContext, command: string, args: readonly string[]): () => string {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = new Promise((resolve) => child.once('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return () => output;
}

async function untilLive(admin: string, output: () => string): Promise<void> {
  const ask = async () => (await (await fetch(`http://${admin}/ready`)).text()) === 'LIVE\n';
  await until('the proxy serves', () => ask().catch(() => false)).catch((error) =>
    assert.fail(`${error}\n${output()}`),
  );
}

/** What a socket answers to a request, or that it is closed. */
async function answerOf(socket: net.Socket, connected: 'connect' | 'secureConnect'): Promise<string> {
  const answer = await new Promise<string>((resolve) => {
    socket.once(connected, () => socket.write('GET /frontend HTTP/1.1\r\nhost: a\r\n\r\n'));
    socket.once('data', (chunk) => resolve(String(chunk)));
    socket.once('error', () => resolve('closed'));
    socket.once('close', () => resolve('closed'));
  });
  socket.destroy();
  return answer;
}

test('a machine outside of the mesh, by way of the east-west gateway', async (t) => {
  const folder = path.join(scratch(t), 'vm-mesh');
  const isLeftOver = (file: string) => /(^|\/)(\.local|cacerts\.yaml)$/.test(file);
  fs.cpSync(path.join(ROOT, 'examples/vm-mesh'), folder, { recursive: true, filter: (file) => !isLeftOver(file) });
  const [gateway, machine] = [ownAddress(), ownAddress()];
  const [node, main] = isthmusProgram();
  const env = { ISTHMUS: `${node} ${main}`, GATEWAY: gateway, VM_HOST: machine };
  const setUp = await execute(SHELL, [path.join(folder, 'set-up.sh')], { env });
  assert.equal(setUp.code, 0, setUp.stderr);

  const mesh = await TestedMesh.start(t, folder, { address: gateway });
  for (const [name, port] of [
    ['vm1', 15000],
    ['foreign', 16000],
  ] as const) {
    const proxy = background(t, node, [main, 'proxy', '-c', path.join(folder, '.local', name, 'envoy.yaml')]);
    await untilLive(`${machine}:${port}`, proxy);
  }
  const control = new ControlClient(meshRecord(mesh).controlSocket);
  const proxyOf = async (name: string) => (await control.proxies()).proxies.find((p) => p.name.startsWith(name))!;
  const statistic = async (name: string, pattern: RegExp) => {
    const stats = await (await fetch(`http://${(await proxyOf(name)).admin}/stats`)).text();
    return [...stats.matchAll(new RegExp(`^\\S*${pattern.source}: (\\d+)$`, 'gm'))].reduce((sum, m) => sum + +m[1]!, 0);
  };

  await t.test('check.sh finds all as it says', async () => {
    const { code, stdout, stderr } = await execute(SHELL, [path.join(folder, 'check.sh')], {
      env: { ...env, ...mesh.env },
    });
    assert.deepEqual([code, stderr], [0, ''], stdout);
    assert.equal(stdout.match(/^ok: /gm)?.length, 7, stdout);
  });

  await t.test('the README prints what it says', async () => {
    const ran = await replay(t, {
      page: path.join(ROOT, 'examples/vm-mesh/README.md'),
      skip: (command) => /set-up\.sh$| isthmus (up|proxy|down)( |$)/.test(command),
      mesh,
      cwd: ROOT,
      folder: 'examples/vm-mesh',
      adapt: {
        command: (text) =>
          text
            .replaceAll('localhost', machine)
            .replaceAll('examples/vm-mesh', folder)
            .replace(/^ISTHMUS="[^"]*"/, ''),
        output: (text) => text.replaceAll(folder, 'examples/vm-mesh').replaceAll(machine, 'localhost'),
      },
    });
    assert.ok(ran >= 6, `${ran} commands`);
  });

  const read = (name: string, file: string) => fs.readFileSync(path.join(folder, '.local', name, file));
  const credentials = (name: string) => ({ cert: read(name, 'cert.pem'), key: read(name, 'key.pem') });
  const ca = read('vm1', 'ca-cert.pem');
  /** What a request gets that goes through the gateway with these credentials; who answers is checked by the root. */
  const ask = (own: tls.SecureContextOptions) =>
    answerOf(
      tls.connect({
        ...own,
        ca,
        host: gateway,
        port: 15443,
        servername: FRONTEND,
        ALPNProtocols: ['istio'],
        checkServerIdentity: (_, { subjectaltname }) =>
          subjectaltname === 'URI:spiffe://cluster.local/ns/simple-app/sa/frontend' ? undefined : new Error('other'),
      }),
      'secureConnect',
    );

  await t.test('only a certificate under the root of the mesh gets an answer from the sidecar', async () => {
    assert.match(await ask(credentials('vm1')), /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(await ask(credentials('foreign')), 'closed');
    assert.equal(await ask({}), 'closed');
  });

  await t.test('a gateway that is restarted is never away', async () => {
    const before = await proxyOf('istio-eastwestgateway');
    let isOver = false;
    const restart = mesh.isthmus(['restart', 'deploy/istio-eastwestgateway', '-n', 'istio-system']);
    void restart.finally(() => (isOver = true));
    while (!isOver) assert.match(await ask(credentials('vm1')), /^HTTP\/1\.1 200 OK\r\n/);
    const stdout = 'deployment.apps/istio-eastwestgateway restarted\n';
    assert.deepEqual(await restart, { code: 0, stdout, stderr: '' });
    assert.notEqual((await proxyOf('istio-eastwestgateway')).name, before.name);
  });

  await t.test('what comes to the gateway in clear, or for a service that there is not, goes nowhere', async () => {
    const clear = await answerOf(net.connect(15443, gateway), 'connect');
    assert.equal(clear, 'closed');
    assert.equal(await statistic('istio-eastwestgateway', /http\.\S*downstream_rq_total/), 0, 'it reads no HTTP');
  });

  await t.test('under a real Envoy the same bootstrap does the same', { skip: withoutReference }, async () => {
    const other = ownAddress();
    const bootstrap = path.join(folder, '.local/vm1/real.yaml');
    const text = fs.readFileSync(path.join(folder, '.local/vm1/envoy.yaml'), 'utf8');
    // Envoy does not take filters by their names alone any more.
    const typed = text.replace(
      /^( *)- name: envoy\.filters\.http\.router$/m,
      `$&\n$1  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}`,
    );
    fs.writeFileSync(bootstrap, typed.replaceAll(machine, other));
    const args = ['-c', bootstrap, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'];
    const envoy = background(t, referenceProgram('envoy'), args);
    await untilLive(`${other}:15000`, envoy);
    const ask = async (target: string, host = other) => (await fetch(`http://${host}:8080${target}`)).text();
    for (const target of ['/frontend', '/v1/fortune/solo', '/v1/fortunes/solo?count=2']) {
      assert.equal(await ask(target), await ask(target, machine), target);
    }
    assert.match(await ask('/frontend'), /asked by spiffe:\/\/vms\.example\.com\/vm1$/m);
  });

  assert.equal(await mesh.stop(), 0);
  assert.deepEqual(mesh.processes(), []);
});
