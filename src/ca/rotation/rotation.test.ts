import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { scratch } from '../../../test/support/reference.ts';
import { openDirectory, openSelfSigned } from '../authority/directory.ts';
import { makeIntermediate, makeRoot } from '../offline/make.ts';
import { Certificate, parseCertificates } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { generatePrivateKey, keyTypeOf } from '../x509/keys.ts';
import { parsePem } from '../x509/pem.ts';
import { createRequest } from '../x509/request.ts';
import type { Served } from './phases.ts';
import { NotYet, Rotation } from './rotation.ts';

const IDENTITY = 'spiffe://cluster.local/ns/default/sa/catalog';

/** A workload as a rotation sees it: what it trusts and serves changes only when the test says so. */
class Workload {
  readonly #authority: string;
  #leaf: Certificate | undefined;
  #chain: readonly Certificate[] = [];
  #roots: readonly Certificate[] = [];

  constructor(authority: string) {
    this.#authority = authority;
  }

  /** Takes the bundle that is published. */
  trust(): void {
    this.#roots = parseCertificates(fs.readFileSync(path.join(this.#authority, 'root-cert.pem'), 'utf8'), 'roots');
  }

  /** Has a certificate issued by the authority as it is. */
  async renew(): Promise<void> {
    const authority = await openDirectory(this.#authority, { trustDomain: 'cluster.local' });
    const request = await createRequest(await generatePrivateKey('ecdsa-p256'), { uris: [IDENTITY] });
    const { chain } = await authority.sign(request, { identity: IDENTITY });
    authority.close();
    const [leaf, ...rest] = chain.map((pem) => new Certificate(parsePem(pem, 'chain')[0]!.der));
    this.#leaf = leaf;
    this.#chain = rest;
  }

  accepts(peer: Workload): boolean {
    const roots = this.#roots;
    return verifyChain(peer.#leaf!, { intermediates: peer.#chain, roots, now: Date.now() }).path !== undefined;
  }

  served(workload: string): Served {
    return { workload, ...this.holding() };
  }

  holding() {
    return { leaf: this.#leaf, trusted: this.#roots.map((root) => root.fingerprint) };
  }
}

async function scene(t: TestContext) {
  const dir = scratch(t);
  const [authority, state] = [path.join(dir, 'ca'), path.join(dir, 'rotation')];
  (await openSelfSigned(authority, { trustDomain: 'cluster.local' })).close();
  const options = { authority, state, trustDomain: 'cluster.local' };
  const [a, b] = [new Workload(authority), new Workload(authority)];
  for (const workload of [a, b]) {
    workload.trust();
    await workload.renew();
  }
  return {
    dir,
    options,
    a,
    b,
    rotation: await Rotation.open(options),
    served: () => [a.served('a.default'), b.served('b.default')],
    roots: () => parseCertificates(fs.readFileSync(path.join(authority, 'root-cert.pem'), 'utf8'), 'roots').length,
    /** Nobody is ever cut off. */
    check: () => assert.deepEqual([a.accepts(b), b.accepts(a)], [true, true]),
  };
}

describe('the rotation of a root', () => {
  it('goes on only when every workload has come along, and cuts nobody off on the way', async (t) => {
    const { rotation, options, a, b, served, roots, check } = await scene(t);
    await assert.rejects(rotation.next(served()), /UserError: no rotation is under way/);
    await rotation.start();
    assert.deepEqual([rotation.status?.phase, roots()], ['trust', 2]);
    await assert.rejects(rotation.start(), /under way already/);

    await assert.rejects(rotation.next(served()), (error: NotYet) => {
      assert.ok(error instanceof NotYet);
      assert.match(error.waiting.join('\n'), /^a\.default does not trust .*\nb\.default does not trust .*$/);
      return true;
    });
    a.trust();
    await a.renew();
    check();
    await assert.rejects(rotation.next(served()), /stays in the phase "trust": b\.default does not trust/);
    b.trust();
    await assert.rejects(
      rotation.next([...served(), { workload: 'c.default', problem: 'no answer' }]),
      /c\.default cannot be asked: no answer/,
    );
    await rotation.next(served());
    assert.deepEqual([rotation.status?.phase, roots()], ['issue', 2]);

    await a.renew();
    check();
    await assert.rejects(
      rotation.next(served()),
      /phase "issue": b\.default does not serve a certificate of the new authority yet/,
    );
    await assert.rejects(rotation.next([{ workload: 'c.default', trusted: [] }]), /c\.default has no certificate yet/);
    await b.renew();
    check();
    await rotation.next(served());
    assert.deepEqual([rotation.status?.phase, roots()], ['drop', 1]);
    await assert.rejects(rotation.abort(), /the new authority is the only one/);

    a.trust();
    check();
    await assert.rejects(rotation.next(served()), /phase "drop": b\.default still trusts the old root/);
    b.trust();
    await rotation.next(served());
    assert.equal(rotation.status, undefined);
    assert.equal(fs.existsSync(options.state), false, 'the keys are gone');
    await a.renew();
    check();
  });

  it('waits for the files that programs read, too', async (t) => {
    const { rotation, a, b } = await scene(t);
    // What b has stands for what a has written to its files.
    const served = (problem?: string) => [{ ...a.served('a.default'), files: { ...b.holding(), problem } }];
    const refused = (reason: RegExp, problem?: string) => assert.rejects(rotation.next(served(problem)), reason);
    await rotation.start();
    a.trust();
    await refused(/"trust": a\.default's OUTPUT_CERTS does not have the new root "O=cluster\.local" yet$/);
    await assert.rejects(
      rotation.next([{ ...a.served('a.default'), files: { trusted: [] } }]),
      /a\.default's OUTPUT_CERTS does not have/,
    );
    b.trust();
    await refused(/"trust": a\.default's OUTPUT_CERTS is not up to date: no space left$/, 'no space left');
    await rotation.next(served());

    await refused(/: a\.default does not serve .* yet; a\.default's OUTPUT_CERTS does not have .* yet$/);
    await a.renew();
    await refused(/"issue": a\.default's OUTPUT_CERTS does not have a certificate of the new authority yet$/);
    assert.deepEqual(rotation.lateWith(served()), [], 'another renewal would not help');
    await b.renew();
    await rotation.next(served());

    a.trust();
    await refused(/"drop": a\.default's OUTPUT_CERTS still has the old root "O=cluster\.local"$/);
    b.trust();
    await rotation.next(served());
    assert.equal(rotation.status, undefined);
  });

  it('waits for other secrets of a proxy only where they are of the authority that goes', async (t) => {
    const { dir, rotation, a, b } = await scene(t);
    const foreign = path.join(dir, 'foreign');
    (await openSelfSigned(foreign, { trustDomain: 'cluster.local' })).close();
    const stranger = new Workload(foreign);
    stranger.trust();
    await stranger.renew();
    const secretsOf = (workload: Workload, name: string) => {
      const { leaf, trusted } = workload.holding();
      return [
        { name, leaf },
        { name: `${name}-cacert`, trusted },
      ];
    };
    const served = () => [
      { ...a.served('a.default'), secrets: [...secretsOf(b, 'file'), ...secretsOf(stranger, 'other')] },
    ];
    await rotation.start();
    a.trust();
    await assert.rejects(rotation.next(served()), /"trust": a\.default's secret "file-cacert" does not trust .* yet$/);
    b.trust();
    await rotation.next(served());
    await a.renew();
    await assert.rejects(rotation.next(served()), /"issue": a\.default's secret "file" does not serve .* yet$/);
    await b.renew();
    await rotation.next(served());
    a.trust();
    await assert.rejects(rotation.next(served()), /"drop": a\.default's secret "file-cacert" still trusts .*"$/);
    b.trust();
    await rotation.next(served());
    assert.equal(rotation.status, undefined);
  });

  it('is taken back at once while nothing is signed with it', async (t) => {
    const { rotation, options, a, served, roots, check } = await scene(t);
    const key = fs.readFileSync(path.join(options.authority, 'ca-key.pem'), 'utf8');
    await rotation.start();
    await rotation.abort();
    assert.deepEqual([rotation.status, roots()], [undefined, 1]);
    assert.equal(fs.readFileSync(path.join(options.authority, 'ca-key.pem'), 'utf8'), key);
    await a.renew();
    check();
    assert.deepEqual(rotation.waiting(served()), []);
  });

  it('is taken back later with the same care', async (t) => {
    const { rotation, a, b, served, roots, check } = await scene(t);
    await rotation.start();
    a.trust();
    b.trust();
    await rotation.next(served());
    await a.renew();
    await rotation.abort();
    assert.deepEqual([rotation.status?.phase, roots()], ['withdraw', 2]);
    check();
    await assert.rejects(rotation.abort(), /being taken back already/);
    await assert.rejects(rotation.next(served()), /a\.default does not serve a certificate of the old authority yet/);
    await a.renew();
    await rotation.next(served());
    assert.deepEqual([rotation.status, roots()], [undefined, 1]);
    check();
  });

  it('survives a restart in every phase, and repairs what somebody has written over', async (t) => {
    const { rotation: first, options, a, b, served, roots } = await scene(t);
    const before = fs.readFileSync(path.join(options.authority, 'root-cert.pem'));
    await first.start(undefined, 'rsa-2048');
    fs.rmSync(path.join(options.authority, 'root-cert.pem'));
    fs.writeFileSync(path.join(options.authority, 'root-cert.pem'), before);
    const second = await Rotation.open(options);
    assert.deepEqual([second.status?.phase, roots()], ['trust', 2]);
    a.trust();
    b.trust();
    await second.next(served());
    const third = await Rotation.open(options);
    assert.equal(third.status?.phase, 'issue');
    assert.deepEqual(third.status, second.status);
    const [signer] = parseCertificates(fs.readFileSync(path.join(options.authority, 'ca-cert.pem'), 'utf8'), 'signer');
    assert.equal(keyTypeOf(signer!.publicKey), 'rsa-2048');
  });

  it('keeps keys to its owner', async (t) => {
    const { rotation, options } = await scene(t);
    await rotation.start();
    assert.equal(fs.statSync(options.state).mode & 0o777, 0o700);
    const files = [options.state, options.authority].flatMap((dir) =>
      fs.readdirSync(dir).map((name) => path.join(dir, name)),
    );
    const holders = files.filter((f) => fs.statSync(f).isFile() && /PRIVATE KEY/.test(fs.readFileSync(f, 'utf8')));
    assert.equal(holders.length, 3);
    for (const file of holders) assert.equal(fs.statSync(file).mode & 0o777, 0o600, file);
  });

  it('says what is wrong with files that it cannot take up', async (t) => {
    const { rotation, options } = await scene(t);
    await rotation.start();
    fs.rmSync(path.join(options.state, 'next-ca-key.pem'));
    await assert.rejects(
      Rotation.open(options),
      /UserError: The rotation in .* cannot be taken up: .*ca-key\.pem is missing/,
    );
  });
});

describe('another intermediate under the same root', () => {
  it('needs no trust and drops none', async (t) => {
    const dir = scratch(t);
    const common = { keyType: 'ecdsa-p256' as const, ttlMs: 3_600_000, now: Date.now(), force: false };
    const authority = path.join(dir, 'root');
    await makeRoot({ ...common, dir: authority, subject: [['O', 'root']] });
    for (const name of ['one', 'two']) {
      const subject = [['O', name]] as const;
      await makeIntermediate({ ...common, dir: path.join(dir, name), subject, authority, pathLength: 0 });
    }
    const options = { authority: path.join(dir, 'one'), state: path.join(dir, 'r'), trustDomain: 'cluster.local' };
    const workload = new Workload(options.authority);
    workload.trust();
    await workload.renew();
    const rotation = await Rotation.open(options);
    await assert.rejects(rotation.start(options.authority), /the authority that the mesh has already/);
    await rotation.start(path.join(dir, 'two'));
    assert.equal(rotation.status?.phase, 'issue');
    await assert.rejects(rotation.next([workload.served('w')]), /of the new authority yet/);
    await workload.renew();
    assert.ok(workload.accepts(workload));
    await rotation.next([workload.served('w')]);
    assert.equal(rotation.status, undefined);
  });
});
