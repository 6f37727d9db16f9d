import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeIntermediate, makeRoot } from '../../src/ca/offline/make.ts';
import { parseCertificates } from '../../src/ca/x509/certificate.ts';
import { meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';
import { presentedTo, relayLoad, relayMesh } from '../support/relay-mesh.ts';

/** The certificates of a file of the mesh's state. */
function stateOf(mesh: TestedMesh, ...parts: string[]) {
  const [name] = fs.readdirSync(path.join(mesh.home, 'meshes'));
  const file = path.join(mesh.home, 'meshes', name!, ...parts);
  return parseCertificates(fs.readFileSync(file, 'utf8'), file);
}

async function podIps(mesh: TestedMesh): Promise<string[]> {
  const { pods } = await meshStatus(mesh);
  return pods.filter(({ namespace }) => namespace === 'default').map(({ podIp }) => podIp);
}

test('leaf and root are rotated under load: no request fails, and no step comes too early', async (t) => {
  const mesh = await TestedMesh.start(t, relayMesh());
  const ips = await podIps(mesh);
  assert.equal(ips.length, 3);
  const [oldRoot] = stateOf(mesh, 'state', 'ca', 'root-cert.pem');
  const serials = () => Promise.all(ips.map(async (ip) => (await presentedTo(ip)).serial));
  const before = await serials();
  const first = relayLoad(t, mesh);
  await first.more(100);

  const renewed = await mesh.isthmus(['certs', 'renew']);
  assert.deepEqual([renewed.code, renewed.stderr], [0, '']);
  assert.equal(renewed.stdout.trim().split('\n').length, 4);
  await until('every leaf is new', async () => (await serials()).every((s, i) => s !== before[i]) || undefined);

  const rotate = (...args: string[]) => mesh.isthmus(['ca', 'rotate', ...args]);
  const early = await rotate('next');
  assert.deepEqual(
    [early.code, early.stderr],
    [1, 'Error: no rotation is under way; "isthmus ca rotate start" begins one\n'],
  );
  assert.equal((await rotate('start')).code, 0);
  assert.equal((await rotate('next', '--wait')).code, 0);
  const [newRoot] = stateOf(mesh, 'state', 'ca', 'ca-cert.pem');
  assert.notEqual(newRoot!.fingerprint, oldRoot!.fingerprint);

  // A workload that cannot be asked is one that nobody knows anything of: it holds everything up.
  const { pods } = await meshStatus(mesh);
  const { pid } = pods.find(({ name }) => name === 'back')!.containers.find(({ name }) => name === 'istio-proxy')!;
  const renewal = until('every new handshake is on the new chain', async () => {
    const all = await Promise.all(ips.map((ip) => presentedTo(ip)));
    return all.every((leaf) => leaf.isSignedBy(newRoot!)) || undefined;
  });
  await renewal;
  // What a sidecar owes that is stopped is no matter of rotation.
  await first.more(500);
  await first.end();
  assert.deepEqual([...first.answers], [['200', first.sent]]);
  assert.ok(first.sent > 700, `${first.sent} requests`);
  process.kill(pid!, 'SIGSTOP');
  try {
    const held = await rotate('next');
    assert.equal(held.code, 1, held.stdout);
    assert.match(held.stderr, /too early/);
    assert.match(held.stdout, /phase: issue.*back\.default cannot be asked: no answer within 3 s/s);
  } finally {
    process.kill(pid!, 'SIGCONT');
  }
  const second = relayLoad(t, mesh);
  await second.more(100);
  const status = JSON.parse((await rotate('status', '-o', 'json')).stdout);
  assert.equal(status.rotation.phase, 'issue');
  const dropped = await rotate('next', '--wait');
  assert.equal(dropped.code, 0, dropped.stdout);
  assert.match(dropped.stdout, /^phase: drop/);
  const over = await rotate('next', '--wait');
  assert.match(over.stdout, /^No rotation is under way\.\n$/);
  const left = stateOf(mesh, 'state', 'ca', 'root-cert.pem').map((c) => c.fingerprint);
  assert.deepEqual(left, [newRoot!.fingerprint]);

  await second.more(100);
  await second.end();
  assert.deepEqual([...second.answers], [['200', second.sent]]);
  assert.ok(second.sent > 300, `${second.sent} requests`);

  const certs = await mesh.isthmus(['certs', '-o', 'json']);
  assert.equal(certs.code, 0, certs.stdout);
  const { certificates } = JSON.parse(certs.stdout);
  const roots = certificates.filter(({ kind }: { kind: string }) => kind === 'root');
  assert.deepEqual(
    roots.map(({ fingerprint }: { fingerprint: string }) => fingerprint),
    [newRoot!.fingerprint],
    'nobody trusts the old root any more',
  );
});

test('an intermediate that is plugged in gives way to another one, and a restart takes up what was begun', async (t) => {
  const dir = scratch(t);
  const common = { keyType: 'ecdsa-p256' as const, ttlMs: 24 * 3_600_000, now: Date.now(), force: false };
  const authority = path.join(dir, 'root');
  await makeRoot({ ...common, dir: authority, subject: [['O', 'root']] });
  for (const name of ['one', 'two']) {
    const subject = [['O', name]] as const;
    await makeIntermediate({ ...common, dir: path.join(dir, name), subject, authority, pathLength: 0 });
  }
  const data = fs
    .readdirSync(path.join(dir, 'one'))
    .map((name) => `  ${name}: ${fs.readFileSync(path.join(dir, 'one', name)).toString('base64')}`);
  const more = `
apiVersion: v1
kind: Secret
metadata: {name: cacerts, namespace: istio-system}
data:
${data.join('\n')}
`;
  const [two] = parseCertificates(fs.readFileSync(path.join(dir, 'two', 'ca-cert.pem'), 'utf8'), 'two');
  const home = path.join(dir, 'home');
  const first = await TestedMesh.start(t, relayMesh({ more }), { home });
  const load = relayLoad(t, first);
  await load.more(100);
  const started = await first.isthmus(['ca', 'rotate', 'start', '--ca', path.join(dir, 'two')]);
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stdout, /^phase: issue/, 'the root is trusted already');
  const ips = await podIps(first);
  await until('every leaf is under the new intermediate', async () => {
    const all = await Promise.all(ips.map((ip) => presentedTo(ip)));
    return all.every((leaf) => leaf.isSignedBy(two!)) || undefined;
  });
  await load.more(100);
  await load.end();
  assert.deepEqual([...load.answers], [['200', load.sent]]);
  assert.ok(load.sent > 300, `${load.sent} requests`);
  assert.equal(await first.stop(), 0);

  const second = await TestedMesh.start(t, relayMesh({ more }), { home });
  const status = JSON.parse((await second.isthmus(['ca', 'rotate', 'status', '-o', 'json'])).stdout);
  assert.equal(status.rotation.phase, 'issue');
  const over = await second.isthmus(['ca', 'rotate', 'next', '--wait']);
  assert.match(over.stdout, /^No rotation is under way\.\nThe Secret "cacerts" says which authority/);
  const listed = await second.isthmus(['certs']);
  assert.match(listed.stdout, /\nissuer +O=two /);
  assert.doesNotMatch(listed.stdout, /O=one/);
});
