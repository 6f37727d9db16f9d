import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { isListening, meshStatus, ROOT, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

const COOLSTORE = path.join(ROOT, 'examples/coolstore');
const HOST = 'apiserver.istioinaction.io';

/** One program that does as its file says, and no gateways. */
const small = (program: string, more = '') => ({
  'program.mjs': program,
  'mesh.yaml': `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal}
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec:
  containers:
  - {name: main, command: [node, program.mjs], ports: [{containerPort: 3000}]${more}}
`,
});

const SERVER = `
import http from 'node:http';
http.createServer((_, response) => response.end('here')).listen(Number(process.env.PORT), process.env.HOST);
`;

test('coolstore: ready, served by its host, with mutual TLS inside; Ctrl-C leaves nothing', async (t) => {
  const mesh = await TestedMesh.start(t, COOLSTORE);
  const url = `http://${mesh.gateway(80)}`;
  assert.match(
    mesh.stdout.trimEnd().split('\n').at(-1)!,
    /^mesh ready in \d+\.\d s: http:\/\/127\.[\d.]+:8080 \(apiserver\.istioinaction\.io\)$/,
  );
  assert.equal(mesh.stderr, '');
  const resolve = `--resolve ${HOST}:8080:${mesh.address}`;
  assert.ok(
    mesh.stdout.includes(`hosts of gateways are served by DNS at ${mesh.address}:8053; for curl: ${resolve}\n`),
  );
  const byName = await mesh.curl([
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    ...resolve.split(' '),
    `http://${HOST}:8080/api/catalog`,
  ]);
  assert.equal(byName.stdout, '200');
  const resolver = new Resolver();
  resolver.setServers([`${mesh.address}:8053`]);
  assert.deepEqual(await resolver.resolve4(HOST), [mesh.address]);
  await assert.rejects(resolver.resolve4('other.example'), { code: 'EREFUSED' });
  const ask = async (...args: string[]) => (await mesh.curl(['-w', '\n%{http_code}', ...args])).stdout.split('\n');
  const [list = '', , status] = await ask('-H', `Host: ${HOST}`, `${url}/api/catalog`);
  assert.equal(status, '200');
  const items = JSON.parse(list) as { readonly name: string; readonly price: number }[];
  assert.deepEqual(
    items.map(({ name }) => name),
    ['Mug', 'Notebook', 'Lamp', 'Wool blanket'],
  );
  assert.deepEqual(await ask('-H', 'Host: other.example', `${url}/api/catalog`), ['', '404']);
  assert.deepEqual(await ask(`${url}/api/catalog`), ['', '404']);

  const [headers = ''] = await ask('-H', `Host: ${HOST}`, `${url}/api/headers`);
  const xfcc = (JSON.parse(headers) as Record<string, string>)['x-forwarded-client-cert']!;
  assert.match(
    xfcc,
    /^By=spiffe:\/\/cluster\.local\/ns\/default\/sa\/catalog;Hash=[0-9a-f]{64};Subject="";URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/apigateway$/,
  );

  const processes = mesh.processes();
  assert.ok(processes.length >= 9, `up, guard, discovery, 5 agents, 3 programs: ${processes.length}`);
  assert.equal(await mesh.stop('SIGINT'), 0);
  assert.deepEqual(mesh.processes(), []);
  assert.equal(await isListening(mesh.address, 8080), false);
});

test('a killed parent leaves no orphan, and the next mesh starts where it was', async (t) => {
  const mesh = await TestedMesh.start(t, small(SERVER));
  assert.ok(mesh.processes().length >= 4, 'up, guard, discovery, agent, program');
  mesh.process.kill('SIGKILL');
  await mesh.ended;
  await until('every process is gone', () => mesh.processes().length === 0 || undefined);
  const root = () => fs.readFileSync(path.join(mesh.home, 'meshes/mesh/state/ca/root-cert.pem'), 'utf8');
  const before = root();
  await TestedMesh.start(t, small(SERVER), { home: mesh.home });
  assert.equal(root(), before, 'the root is kept');
});

test('a second mesh of the folder, and one on ports in use, fail in one line that names the owner', async (t) => {
  const mesh = await TestedMesh.start(t, small(SERVER));
  const second = await TestedMesh.start(t, small(SERVER), { home: mesh.home, dontWait: true });
  assert.equal(await second.ended, 1);
  assert.match(second.stderr, new RegExp(`^Error: the mesh mesh runs already: process ${mesh.process.pid}, of .*\\n$`));

  const server = net.createServer();
  t.after(() => void server.close());
  const { address } = mesh;
  await new Promise<void>((resolve) => server.listen(8080, address, resolve));
  const third = await TestedMesh.start(t, COOLSTORE, { address, dontWait: true });
  assert.equal(await third.ended, 1);
  assert.equal(third.stderr.trimEnd().split('\n').length, 1);
  assert.match(
    third.stderr,
    new RegExp(
      `^Error: ${address}:8080 is in use by process ${process.pid} \\(.*\\); the gateway istio-ingressgateway wants it`,
    ),
  );
  assert.deepEqual(third.processes(), []);
});

test('a control plane that cannot start ends the mesh with its words, and leaves nothing', async (t) => {
  const operator = `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal, values: {pilot: {env: {EXTERNAL_CA: VAULT}}}}
`;
  const mesh = await TestedMesh.start(t, { 'mesh.yaml': operator }, { dontWait: true });
  assert.equal(await mesh.ended, 1);
  assert.match(mesh.stderr, /^Error: discovery did not start \(exit code 1\):\nError: .*VAULT_\w+/m);
  assert.deepEqual(mesh.processes(), []);
});

test('what crashes is started again with back-off, and shown', async (t) => {
  const crash = `
import fs from 'node:fs';
import http from 'node:http';
const file = new URL('runs', import.meta.url);
const runs = fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0;
fs.writeFileSync(file, String(runs + 1));
if (runs < 2) process.exit(7);
http.createServer((_, response) => response.end('here')).listen(Number(process.env.PORT), process.env.HOST);
`;
  const mesh = await TestedMesh.start(t, small(crash), { dontWait: true });
  const crashed = await until('a crash is shown', async () => {
    const { pods } = await meshStatus(mesh);
    return pods.find(({ status }) => status === 'CrashLoopBackOff' || status === 'Error');
  });
  assert.match(crashed.message ?? '', /container main: .*7/);
  const ready = await until('it runs', async () => {
    const { pods } = await meshStatus(mesh);
    return pods.find((pod) => pod.ready === pod.size);
  });
  assert.equal(ready.restarts, 2);
  assert.match(mesh.stderr, /^problem: default\/one: container main: .*7/m);
});

test('a proxy that is killed comes back, and so does the control plane', async (t) => {
  const mesh = await TestedMesh.start(t, COOLSTORE);
  const ask = async () =>
    (
      await mesh.curl([
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '-H',
        `Host: ${HOST}`,
        `http://${mesh.gateway(80)}/api/catalog`,
      ])
    ).stdout;
  const pidOf = async (pod: string, container: string) => {
    const { pods } = await meshStatus(mesh);
    return pods.find(({ name }) => name.startsWith(pod))?.containers.find(({ name }) => name === container)?.pid;
  };
  const sidecar = await pidOf('catalog', 'istio-proxy');
  const discovery = (await meshStatus(mesh)).discovery.pid;
  assert.ok(sidecar && discovery);
  process.kill(discovery, 'SIGKILL');
  await until('discovery is another process', async () => {
    const { pid } = (await meshStatus(mesh)).discovery;
    return (pid !== undefined && pid !== discovery) || undefined;
  });
  assert.equal(await ask(), '200', 'the data plane goes on without a control plane');
  process.kill(sidecar, 'SIGKILL');
  await until('the sidecar is another process', async () => {
    const pid = await pidOf('catalog', 'istio-proxy');
    return (pid !== undefined && pid !== sidecar) || undefined;
  });
  await until('requests are served', async () => (await ask()) === '200' || undefined);
});

test('a program that listens past its sidecar is stopped and named', async (t) => {
  const anywhere = `
import http from 'node:http';
http.createServer((_, response) => response.end('here')).listen(Number(process.env.PORT), '0.0.0.0');
`;
  const mesh = await TestedMesh.start(t, small(anywhere), { dontWait: true });
  await until(
    'the problem is told',
    () => /problem: default\/one: container main: .*0\.0\.0\.0/.test(mesh.stderr) || undefined,
  );
  const { pods } = await meshStatus(mesh);
  assert.ok(pods[0]!.ready < pods[0]!.size);
});

test('an image without a command is said, and a missing secret is waited for', async (t) => {
  const files = {
    'pods.yaml': `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal}
---
apiVersion: v1
kind: Pod
metadata: {name: image}
spec: {containers: [{name: main, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: secret}
spec:
  containers:
  - name: main
    command: [sh, -c, 'cat "$ISTHMUS_POD_ROOT/etc/keys/word"; exec sleep 1000']
    volumeMounts: [{name: keys, mountPath: /etc/keys}]
  volumes: [{name: keys, secret: {secretName: keys}}]
`,
  };
  const mesh = await TestedMesh.start(t, files, { dontWait: true });
  await until(
    'both problems are told',
    () =>
      (mesh.stderr.includes('images are not pulled') && mesh.stderr.includes('secret "keys" not found')) || undefined,
  );
  fs.writeFileSync(
    path.join(mesh.dir, 'secret.yaml'),
    '{apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {word: "open sesame"}}',
  );
  await until('the pod has its secret', async () => {
    const { pods } = await meshStatus(mesh);
    const pod = pods.find(({ name }) => name === 'secret')!;
    const { logFile } = pod.containers.find(({ name }) => name === 'main') ?? {};
    return (logFile && fs.readFileSync(logFile, 'utf8').includes('open sesame')) || undefined;
  });
});
