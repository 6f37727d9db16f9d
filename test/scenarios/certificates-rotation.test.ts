import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseCertificates } from '../../src/ca/x509/certificate.ts';
import { ControlClient } from '../../src/config/control/client.ts';
import { cacertsSecret, makeAuthorities } from '../support/authorities.ts';
import { type Handshake, HandshakeProber, type IsNew, OUTPUT, PROBED_ANNOTATIONS } from '../support/handshakes.ts';
import { meshRecord, meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';
import { relayLoad, relayMesh } from '../support/relay-mesh.ts';

/** The certificates of a file of the mesh's state. */
function stateOf(mesh: TestedMesh, ...parts: string[]) {
  const [name] = fs.readdirSync(path.join(mesh.home, 'meshes'));
  const file = path.join(mesh.home, 'meshes', name!, ...parts);
  return parseCertificates(fs.readFileSync(file, 'utf8'), file);
}

/** Of everyone, in each part, after the last one has turned. */
const HANDSHAKES = 6;

/**
 * Holds a change of certificates to its promise: everyone presents a new one to whoever comes after, as a server and as a
 * client, and never an old one again; no handshake fails.
 */
async function assertTurnover(prober: HandshakeProber, from: number, isNew: IsNew): Promise<void> {
  const after = await prober.turnover(isNew, HANDSHAKES);
  assert.deepEqual(prober.failures, [], 'handshakes that failed');
  const isNewOne = (one: Handshake) => isNew(prober.certificateOf(one));
  const seen = prober.seen.slice(from);
  for (const part of prober.parts) {
    const own = seen.filter(({ who }) => who === part);
    const first = own.findIndex(isNewOne);
    assert.ok(first >= 0 && own.slice(first).every(isNewOne), `${part}: an old certificate after a new one`);
    const count = after.filter(({ who }) => who === part).length;
    assert.ok(count >= HANDSHAKES, `${part}: ${count} handshakes after the change`);
  }
  assert.ok(after.every(isNewOne), 'every handshake since everyone turned is on the new chain');
}

/** That every request of the prober that passed the gateway had a connection of its own behind it. */
async function assertFresh(mesh: TestedMesh, prober: HandshakeProber): Promise<void> {
  const { proxies } = await new ControlClient(meshRecord(mesh).controlSocket).proxies();
  const { admin } = proxies.find(({ name }) => name.startsWith('istio-ingressgateway'))!;
  const clusters = await (await fetch(`http://${admin}/clusters`)).text();
  const total = /^outbound\|80\|\|front-fresh\..*::cx_total::(\d+)$/m.exec(clusters)?.[1];
  assert.equal(Number(total), prober.seen.filter(({ who }) => who.startsWith('gateway as')).length);
}

test('leaf and root are rotated under load: no request fails, and no step comes too early', async (t) => {
  const mesh = await TestedMesh.start(t, relayMesh({ annotations: PROBED_ANNOTATIONS, fresh: true }));
  const [oldRoot] = stateOf(mesh, 'state', 'ca', 'root-cert.pem');
  const first = relayLoad(t, mesh);
  const prober = await HandshakeProber.start(t, mesh);
  await prober.turnover(() => true, 1);

  const known = new Set(prober.leaves);
  const leaves = prober.seen.length;
  const renewed = await mesh.isthmus(['certs', 'renew']);
  assert.deepEqual([renewed.code, renewed.stderr], [0, '']);
  assert.equal(renewed.stdout.trim().split('\n').length, 4);
  await assertTurnover(prober, leaves, (leaf) => !known.has(leaf));

  const rotate = (...args: string[]) => mesh.isthmus(['ca', 'rotate', ...args]);
  const early = await rotate('next');
  assert.deepEqual(
    [early.code, early.stderr],
    [1, 'Error: no rotation is under way; "isthmus ca rotate start" begins one\n'],
  );
  // Programs that read files are as far as their files are: no link takes the place of a folder that is not empty.
  const { pods } = await meshStatus(mesh);
  const { folder } = pods.find(({ name }) => name === 'back')!;
  const data = path.join(folder, OUTPUT, '..data');
  fs.rmSync(data);
  fs.mkdirSync(path.join(data, 'in-the-way'), { recursive: true });
  assert.equal((await rotate('start')).code, 0);
  const roots = prober.seen.length;
  const behind = await until('only the files hold it up', async () => {
    const refused = await rotate('next');
    assert.equal(refused.code, 1, refused.stdout);
    return /waiting:\n {2}back\.default's OUTPUT_CERTS.*\n$/.test(refused.stdout) ? refused.stdout : undefined;
  });
  assert.match(
    behind,
    /phase: trust.*back\.default's OUTPUT_CERTS is not up to date: The files in .* cannot be written/s,
  );
  const listed = await mesh.isthmus(['certs']);
  assert.deepEqual([listed.code, /error: back\.default: OUTPUT_CERTS is not/.test(listed.stdout)], [1, true]);
  fs.rmSync(data, { recursive: true });
  assert.equal((await rotate('next', '--wait')).code, 0);
  const [newRoot] = stateOf(mesh, 'state', 'ca', 'ca-cert.pem');
  assert.notEqual(newRoot!.fingerprint, oldRoot!.fingerprint);
  await assertTurnover(prober, roots, (leaf) => leaf.isSignedBy(newRoot!));

  // What a sidecar owes that is stopped is no matter of rotation.
  await first.more(300);
  await first.end();
  assert.deepEqual([...first.answers], [['200', first.sent]]);
  assert.ok(first.sent > 500, `${first.sent} requests`);
  await prober.stop();
  await assertFresh(mesh, prober);

  // A workload that cannot be asked is one that nobody knows anything of: it holds everything up.
  const { pid } = pods.find(({ name }) => name === 'back')!.containers.find(({ name }) => name === 'istio-proxy')!;
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
  const last = await HandshakeProber.start(t, mesh);
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

  await assertTurnover(last, 0, (leaf) => leaf.isSignedBy(newRoot!));
  await last.stop();
  await second.more(100);
  await second.end();
  assert.deepEqual([...second.answers], [['200', second.sent]]);
  assert.ok(second.sent > 300, `${second.sent} requests`);

  const certs = await mesh.isthmus(['certs', '-o', 'json']);
  assert.equal(certs.code, 0, certs.stdout);
  const { certificates } = JSON.parse(certs.stdout);
  const trusted = certificates.filter(({ kind }: { kind: string }) => kind === 'root');
  assert.deepEqual(
    trusted.map(({ fingerprint }: { fingerprint: string }) => fingerprint),
    [newRoot!.fingerprint],
    'nobody trusts the old root any more',
  );
});

test('an intermediate that is plugged in gives way to another one, and a restart takes up what was begun', async (t) => {
  const dir = scratch(t);
  await makeAuthorities(dir, ['one', 'two']);
  const more = cacertsSecret(path.join(dir, 'one'));
  const [two] = parseCertificates(fs.readFileSync(path.join(dir, 'two', 'ca-cert.pem'), 'utf8'), 'two');
  const home = path.join(dir, 'home');
  const files = relayMesh({ more, annotations: PROBED_ANNOTATIONS, fresh: true });
  const first = await TestedMesh.start(t, files, { home });
  const load = relayLoad(t, first);
  const prober = await HandshakeProber.start(t, first);
  await prober.turnover(() => true, 1);
  const from = prober.seen.length;
  const started = await first.isthmus(['ca', 'rotate', 'start', '--ca', path.join(dir, 'two')]);
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stdout, /^phase: issue/, 'the root is trusted already');
  await assertTurnover(prober, from, (leaf) => leaf.isSignedBy(two!));
  await prober.stop();
  await load.more(300);
  await load.end();
  assert.deepEqual([...load.answers], [['200', load.sent]]);
  assert.ok(load.sent > 300, `${load.sent} requests`);
  assert.equal(await first.stop(), 0);

  const second = await TestedMesh.start(t, files, { home });
  const status = JSON.parse((await second.isthmus(['ca', 'rotate', 'status', '-o', 'json'])).stdout);
  assert.equal(status.rotation.phase, 'issue');
  const over = await second.isthmus(['ca', 'rotate', 'next', '--wait']);
  assert.match(over.stdout, /^No rotation is under way\.\nThe Secret "cacerts" says which authority/);
  const listed = await second.isthmus(['certs']);
  assert.match(listed.stdout, /\nissuer +O=two /);
  assert.doesNotMatch(listed.stdout, /O=one/);
});
