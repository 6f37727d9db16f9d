import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { openSelfSigned } from '../authority/directory.ts';
import { modeOf, scratch, until } from '../openssl.test.ts';
import { generatePrivateKey, privateKeyPem } from '../x509/keys.ts';
import { createRequest } from '../x509/request.ts';
import { CertificateOutput, certificatePathsIn, MountedCertificates, readProvisioned } from './files.ts';
import type { WorkloadState } from './state.ts';

const ID = 'spiffe://cluster.local/ns/foo/sa/bar';
const HOUR = 3_600_000;

async function maker(t: TestContext) {
  const clock = new ManualClock(Date.now());
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), {
    trustDomain: 'cluster.local',
    clock,
    pollMs: 1e12,
  });
  t.after(() => authority.close());
  const make = async (): Promise<WorkloadState> => {
    const key = await generatePrivateKey('ecdsa-p256');
    const { chain, roots, serial, notBefore, notAfter } = await authority.sign(await createRequest(key, {}), {
      identity: ID,
      ttlMs: HOUR,
    });
    const certificate = { key: privateKeyPem(key), chain: chain[0], identity: ID, serial, notBefore, notAfter };
    return { certificate, roots, lastRenewal: undefined, lastError: undefined };
  };
  return { clock, make };
}

test('certificates are written together, and only when they change', async (t) => {
  const { make, clock } = await maker(t);
  const dir = path.join(scratch(t), 'etc', 'certs');
  const output = new CertificateOutput(dir);
  const paths = certificatePathsIn(dir);
  const [first, second] = [await make(), await make()];
  await output.write({ ...first, certificate: undefined });
  assert.equal(fs.existsSync(dir), false);
  await output.write(first);
  assert.deepEqual(
    [paths.key, paths.chain, paths.roots].map((file) => [modeOf(file), fs.readFileSync(file, 'utf8')]),
    [
      ['600', first.certificate?.key],
      ['644', first.certificate?.chain],
      ['644', first.roots],
    ],
  );
  const data = () => fs.readlinkSync(path.join(dir, '..data'));
  const before = data();
  await output.write({ ...first, lastError: { message: 'x', at: 0 } });
  await new CertificateOutput(dir).write(first);
  assert.equal(data(), before);
  await Promise.all([output.write(first), output.write(second)]);
  assert.notEqual(data(), before);
  assert.equal(fs.readFileSync(paths.key, 'utf8'), second.certificate?.key);
  const read = await readProvisioned(dir, clock.now());
  assert.deepEqual(
    [read?.certificate.serial, read?.certificate.identity, read?.roots, read?.certificate.notAfter],
    [second.certificate?.serial, ID, second.roots, second.certificate?.notAfter],
  );
});

test('provisioned certificates are absent, good, or an error that names the file', async (t) => {
  const { make, clock } = await maker(t);
  const dir = scratch(t);
  const paths = certificatePathsIn(dir);
  assert.equal(await readProvisioned(dir), undefined);
  const { certificate, roots } = await make();
  fs.writeFileSync(paths.chain, certificate!.chain);
  assert.equal(await readProvisioned(dir), undefined);
  fs.writeFileSync(paths.key, privateKeyPem(await generatePrivateKey('ecdsa-p256')));
  await assert.rejects(
    readProvisioned(dir, clock.now()),
    /key\.pem is not the key of the first certificate in .*cert-chain\.pem/,
  );
  fs.writeFileSync(paths.key, certificate!.key);
  await assert.rejects(readProvisioned(dir, clock.now()), /root-cert\.pem is missing/);
  fs.writeFileSync(paths.roots, roots);
  assert.ok(await readProvisioned(dir, clock.now()));
  await assert.rejects(readProvisioned(dir, clock.now() + HOUR), /cert-chain\.pem has expired/);
});

test('mounted certificates are followed: absent, there, replaced, broken, expired', async (t) => {
  const { make, clock } = await maker(t);
  const dir = scratch(t);
  const paths = certificatePathsIn(dir);
  const write = ({ certificate, roots }: WorkloadState) => {
    fs.writeFileSync(paths.key, certificate!.key);
    fs.writeFileSync(paths.chain, certificate!.chain);
    fs.writeFileSync(paths.roots, roots);
  };
  const own = new ManualClock(clock.now());
  const mounted = await MountedCertificates.open(paths, { clock: own, pollMs: 1000 });
  t.after(() => mounted.close());
  const poll = async (condition: () => boolean) => {
    while (!condition()) {
      const timers = own.pending;
      own.advance(1000);
      await until(() => own.pending >= timers || condition());
    }
  };
  assert.match(mounted.state.lastError?.message ?? '', /cert-chain\.pem is missing/);
  const first = await make();
  write(first);
  await poll(() => mounted.state.certificate !== undefined);
  assert.deepEqual(
    [mounted.state.certificate?.chain, mounted.state.roots, mounted.state.lastError],
    [first.certificate?.chain, first.roots, undefined],
  );

  const second = await make();
  write(second);
  await poll(() => mounted.state.certificate?.chain === second.certificate?.chain);

  fs.writeFileSync(paths.key, first.certificate!.key);
  await poll(() => mounted.state.lastError !== undefined);
  assert.match(mounted.state.lastError?.message ?? '', /is not the key/);
  assert.equal(mounted.state.certificate?.chain, second.certificate?.chain, 'the last good one stays');

  own.advance(mounted.state.certificate!.notAfter - own.now());
  assert.equal(mounted.state.certificate, undefined);
  assert.match(mounted.state.lastError?.message ?? '', /has expired/);
});
