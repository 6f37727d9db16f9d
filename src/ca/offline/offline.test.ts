import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { openDirectory } from '../authority/directory.ts';
import { modeOf, openssl, opensslVerify, scratch } from '../openssl.test.ts';
import { KEY_TYPES } from '../x509/keys.ts';
import { parseName } from '../x509/names.ts';
import { inspect } from './inspect.ts';
import { makeIntermediate, makeLeaf, makeRoot } from './make.ts';
import { isDnsName, toSubjectAltNames } from './names.ts';
import { loadSigner } from './signer.ts';

const DAY = 86_400_000;
const base = { keyType: 'ecdsa-p256', ttlMs: 30 * DAY, now: Date.now(), force: false } as const;
const text = (file: string) => fs.readFileSync(file, 'utf8');
const fails = (problem: RegExp) => (e: unknown) => e instanceof UserError && problem.test(e.message);

test('every kind of key makes a tree that openssl accepts', async (t) => {
  for (const keyType of KEY_TYPES) {
    const dir = scratch(t);
    const options = { ...base, keyType };
    await makeRoot({ ...options, dir, subject: parseName('/O=x/CN=root') });
    await makeIntermediate({
      ...options,
      dir: `${dir}/one`,
      authority: dir,
      subject: parseName('CN=one'),
      pathLength: 1,
    });
    await makeIntermediate({
      ...options,
      dir: `${dir}/two`,
      authority: `${dir}/one`,
      subject: parseName('CN=two'),
      pathLength: 0,
    });
    const names = toSubjectAltNames({ dns: ['a.example'], ips: ['127.0.0.1'] });
    await makeLeaf({
      ...options,
      dir: `${dir}/leaf`,
      authority: `${dir}/two`,
      subject: parseName('CN=a.example'),
      names,
      server: true,
      client: true,
      layout: 'tls',
    });
    const roots = text(`${dir}/root-cert.pem`);
    assert.equal(opensslVerify(roots, '', roots), 'OK');
    const chain = text(`${dir}/leaf/tls.crt`);
    assert.equal(chain.split('BEGIN').length - 1, 3);
    assert.equal(text(`${dir}/leaf/ca.crt`), roots);
    for (const flags of [
      ['-purpose', 'sslserver', '-verify_hostname', 'a.example'],
      ['-purpose', 'sslclient'],
      ['-verify_ip', '127.0.0.1'],
    ])
      assert.equal(opensslVerify(chain, chain, roots, ...flags), 'OK');
    assert.equal(
      openssl(['pkey', '-in', `${dir}/leaf/tls.key`, '-pubout']),
      openssl(['x509', '-in', `${dir}/leaf/tls.crt`, '-pubkey', '-noout']),
    );
    for (const key of ['root-key.pem', 'one/ca-key.pem', 'two/ca-key.pem', 'leaf/tls.key'])
      assert.equal(modeOf(path.join(dir, key)), '600');
  }
});

test('an intermediate is a cacerts that the control plane takes as it is', async (t) => {
  const dir = scratch(t);
  await makeRoot({ ...base, dir, subject: parseName('CN=root') });
  await makeIntermediate({
    ...base,
    dir: `${dir}/istio`,
    authority: dir,
    subject: parseName('CN=istio'),
    pathLength: 0,
  });
  const authority = await openDirectory(`${dir}/istio`, { trustDomain: 'cluster.local' });
  authority.close();
  assert.equal(authority.describe().signer.subject, 'CN=istio');
});

test('the purpose is what was asked for', async (t) => {
  const dir = scratch(t);
  await makeRoot({ ...base, dir, subject: parseName('CN=root') });
  const leaf = async (server: boolean, client: boolean) => {
    const out = `${dir}/${server}-${client}`;
    await makeLeaf({
      ...base,
      dir: out,
      authority: dir,
      subject: parseName('CN=x'),
      names: {},
      server,
      client,
      layout: 'tls',
    });
    const roots = text(`${dir}/root-cert.pem`);
    return ['sslserver', 'sslclient'].map(
      (purpose) => opensslVerify(text(`${out}/tls.crt`), '', roots, '-purpose', purpose) === 'OK',
    );
  };
  assert.deepEqual(await leaf(true, false), [true, false]);
  assert.deepEqual(await leaf(false, true), [false, true]);
});

test('authorities that other tools made, in the ways they lie in folders', async (t) => {
  const dir = scratch(t);
  openssl([
    'req',
    '-x509',
    '-sha256',
    '-nodes',
    '-days',
    '365',
    '-newkey',
    'rsa:2048',
    '-subj',
    '/O=Cargo Inc./CN=cargo',
    '-keyout',
    `${dir}/ca.key`,
    '-out',
    `${dir}/ca.crt`,
  ]);
  const leaf = {
    ...base,
    dir: `${dir}/gw`,
    authority: dir,
    subject: parseName('CN=gw'),
    server: true,
    client: false,
    layout: 'mesh' as const,
  };
  const { files } = await makeLeaf({ ...leaf, now: Date.now(), names: toSubjectAltNames({ dns: ['gw'], ips: [] }) });
  assert.deepEqual(
    files.map((f) => path.basename(f)),
    ['key.pem', 'cert-chain.pem', 'root-cert.pem'],
  );
  assert.match(openssl(['verify', '-CAfile', `${dir}/ca.crt`, `${dir}/gw/cert-chain.pem`]), /: OK\n$/);

  await makeRoot({ ...base, dir: `${dir}/r`, subject: parseName('CN=r') });
  await makeIntermediate({
    ...base,
    dir: `${dir}/i`,
    authority: `${dir}/r`,
    subject: parseName('CN=i'),
    pathLength: 0,
  });
  fs.mkdirSync(`${dir}/tls`);
  for (const [from, to] of [
    ['cert-chain.pem', 'tls.crt'],
    ['ca-key.pem', 'tls.key'],
    ['root-cert.pem', 'ca.crt'],
  ])
    fs.copyFileSync(`${dir}/i/${from}`, `${dir}/tls/${to}`);
  const signer = await loadSigner(`${dir}/tls`);
  assert.deepEqual([signer.certificate.subjectName, signer.chain.length, signer.roots.length], ['CN=i', 1, 1]);
});

test('authorities that cannot sign are refused by file', async (t) => {
  const dir = scratch(t);
  await assert.rejects(
    loadSigner(dir),
    fails(/holds no authority; looked for ca-cert\.pem and ca-key\.pem, .* "isthmus ca root" makes one/),
  );
  await makeRoot({ ...base, dir, subject: parseName('CN=root') });
  await makeIntermediate({ ...base, dir: `${dir}/i`, authority: dir, subject: parseName('CN=i'), pathLength: 0 });
  await assert.rejects(
    makeIntermediate({ ...base, dir: `${dir}/j`, authority: `${dir}/i`, subject: parseName('CN=j'), pathLength: 0 }),
    fails(/The path length of "CN=i" allows no further authority below it/),
  );
  assert.equal(fs.existsSync(`${dir}/j`), false);
  await makeLeaf({
    ...base,
    dir: `${dir}/leaf`,
    authority: dir,
    subject: parseName('CN=x'),
    names: {},
    server: true,
    client: true,
    layout: 'tls',
  });
  await assert.rejects(loadSigner(`${dir}/leaf`), fails(/leaf\/tls\.crt is not the certificate of an authority/));
  await assert.rejects(
    makeLeaf({
      ...base,
      dir: `${dir}/none`,
      authority: dir,
      subject: [],
      names: {},
      server: true,
      client: true,
      layout: 'tls',
    }),
    fails(/needs a subject or a name/),
  );
  fs.copyFileSync(`${dir}/root-key.pem`, `${dir}/i/ca-key.pem`);
  await assert.rejects(
    loadSigner(`${dir}/i`),
    fails(/i\/ca-key\.pem is not the key of the certificate in .*i\/ca-cert\.pem/),
  );
  fs.rmSync(`${dir}/i/root-cert.pem`);
  fs.rmSync(`${dir}/i/ca-key.pem`);
  const later = {
    ...base,
    dir: `${dir}/late`,
    authority: dir,
    subject: parseName('CN=x'),
    names: {},
    server: true,
    client: true,
    layout: 'tls' as const,
  };
  await assert.rejects(makeLeaf({ ...later, now: base.now + 31 * DAY }), fails(/The authority "CN=root" expired on/));
  assert.equal((await makeLeaf({ ...later, ttlMs: 100 * DAY })).shortened, true);
});

test('nothing is overwritten unasked', async (t) => {
  const dir = scratch(t);
  const root = (force: boolean) => makeRoot({ ...base, dir, subject: parseName('CN=root'), force });
  await root(false);
  const before = text(`${dir}/root-key.pem`);
  await assert.rejects(root(false), fails(/root-key\.pem exists already; give --force/));
  fs.rmSync(`${dir}/root-key.pem`);
  await assert.rejects(root(false), fails(/root-cert\.pem exists already/));
  assert.equal(fs.existsSync(`${dir}/root-key.pem`), false);
  await root(true);
  assert.notEqual(text(`${dir}/root-key.pem`), before);
});

test('names', () => {
  for (const name of ['a', 'a.b', '*.a.b', 'A-1.example', '_x.y', 'xn--80ak6aa92e.com'])
    assert.ok(isDnsName(name), name);
  for (const name of [
    '',
    '*',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a-',
    'a*.b',
    'a b',
    '1.2.3.4',
    '::1',
    'a/b',
    'a\n',
    `${'a'.repeat(64)}.b`,
    'é.com',
  ])
    assert.ok(!isDnsName(name), name);
  const names = toSubjectAltNames({ dns: [], ips: ['10.0.0.1', '::1'], spiffe: 'spiffe://td/x' });
  assert.deepEqual([names.ips?.map((ip) => ip.length), names.uris], [[4, 16], ['spiffe://td/x']]);
  assert.throws(() => toSubjectAltNames({ dns: ['a b'], ips: [] }), fails(/"a b" is not a DNS name/));
  assert.throws(() => toSubjectAltNames({ dns: [], ips: ['127.1'] }), fails(/"127\.1" is not an IP address/));
  assert.throws(
    () => toSubjectAltNames({ dns: [], ips: [], spiffe: 'spiffe://TD/x' }),
    fails(/is not a SPIFFE ID: the trust domain "TD" has/),
  );
});

test('inspection finds certificates, and says what is wrong with each', async (t) => {
  const dir = scratch(t);
  await makeRoot({ ...base, dir, subject: parseName('CN=root') });
  await makeIntermediate({
    ...base,
    dir: `${dir}/i`,
    authority: dir,
    subject: parseName('CN=i'),
    pathLength: 0,
    ttlMs: 2 * DAY,
  });
  await makeLeaf({
    ...base,
    dir: `${dir}/i/leaf`,
    authority: `${dir}/i`,
    subject: [],
    names: toSubjectAltNames({ dns: ['a'], ips: [], spiffe: 'spiffe://td/x' }),
    server: true,
    client: true,
    layout: 'mesh',
  });
  await makeRoot({ ...base, dir: `${dir}/other`, subject: parseName('CN=other') });
  const now = base.now;
  const all = await inspect([dir], { now });
  assert.deepEqual(
    all.map((f) => [
      path.relative(dir, f.file),
      f.index,
      f.certificate.displayName,
      f.problem ?? f.path?.map((c) => c.displayName).join(' < '),
    ]),
    [
      ['i/ca-cert.pem', 1, 'CN=i', 'CN=i < CN=root'],
      ['i/cert-chain.pem', 1, 'CN=i', 'CN=i < CN=root'],
      ['i/leaf/cert-chain.pem', 1, 'spiffe://td/x', 'spiffe://td/x < CN=i < CN=root'],
      ['i/leaf/cert-chain.pem', 2, 'CN=i', 'CN=i < CN=root'],
      ['i/leaf/root-cert.pem', 1, 'CN=root', 'CN=root'],
      ['i/root-cert.pem', 1, 'CN=root', 'CN=root'],
      ['other/root-cert.pem', 1, 'CN=other', 'CN=other'],
      ['root-cert.pem', 1, 'CN=root', 'CN=root'],
    ],
  );
  assert.deepEqual(all[2].names, ['DNS:a', 'URI:spiffe://td/x']);
  const chain = `${dir}/i/leaf/cert-chain.pem`;
  const verdict = async (roots?: string, at = now) => (await inspect([chain], { now: at, roots }))[0].problem;
  assert.equal(await verdict(`${dir}/root-cert.pem`), undefined);
  assert.match((await verdict()) ?? '', /issuer "CN=root" of "CN=i" is not among/);
  assert.match((await verdict(`${dir}/other/root-cert.pem`)) ?? '', /is not among/);
  assert.match((await verdict(`${dir}/root-cert.pem`, now + 3 * DAY)) ?? '', /expired on/);
  fs.mkdirSync(`${dir}/empty`);
  await assert.rejects(inspect([`${dir}/empty`], { now }), fails(/No certificates were found in/));
  await assert.rejects(inspect([`${dir}/missing`], { now }), fails(/missing cannot be read/));
  await assert.rejects(inspect([`${dir}/root-key.pem`], { now }), fails(/root-key\.pem holds no certificate in PEM/));
});
