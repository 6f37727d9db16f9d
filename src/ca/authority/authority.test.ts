import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { modeOf, openssl, opensslVerify, scratch, until } from '../openssl.test.ts';
import { Certificate, parseCertificates } from '../x509/certificate.ts';
import { KeyUsage } from '../x509/extensions.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { parsePem } from '../x509/pem.ts';
import { createRequest } from '../x509/request.ts';
import { type CertificateAuthority, SigningError } from './authority.ts';
import { openDirectory, openSelfSigned } from './directory.ts';
import { Issuer } from './issuer.ts';

const ID = 'spiffe://cluster.local/ns/foo/sa/bar';
const HOUR = 3_600_000;
const trustDomain = 'cluster.local';

const request = async (uris: string[] = [ID]) => createRequest(await generatePrivateKey('ecdsa-p256'), { uris });

/** Writes a cacerts folder with openssl, as Istio's documentation does: a root, and an intermediate that signs. */
function plugIn(
  dir: string,
  wish: { rsa?: boolean; days?: number; inter?: string; root?: string; constraints?: string } = {},
): void {
  fs.mkdirSync(dir, { recursive: true });
  const at = (name: string) => path.join(dir, name);
  const key = (name: string) =>
    wish.rsa
      ? openssl(['genrsa', '-out', at(name), '2048'])
      : openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at(name)]);
  key('root-key.pem');
  key('ca-key.pem');
  const root = [
    '-addext',
    wish.root ?? 'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign',
  ];
  openssl([
    'req',
    '-x509',
    '-new',
    '-key',
    at('root-key.pem'),
    '-days',
    '3650',
    '-subj',
    '/O=Lab/CN=Root',
    ...root,
    '-out',
    at('root-cert.pem'),
  ]);
  openssl(['req', '-new', '-key', at('ca-key.pem'), '-subj', '/O=Lab/CN=Intermediate', '-out', at('ca.csr')]);
  const ext = [
    wish.inter ?? 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign',
    'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid',
    wish.constraints ?? '',
  ];
  fs.writeFileSync(at('ext'), ext.join('\n'));
  openssl([
    'x509',
    '-req',
    '-in',
    at('ca.csr'),
    '-CA',
    at('root-cert.pem'),
    '-CAkey',
    at('root-key.pem'),
    '-CAcreateserial',
    '-days',
    String(wish.days ?? 365),
    '-extfile',
    at('ext'),
    '-out',
    at('ca-cert.pem'),
  ]);
  fs.writeFileSync(
    at('cert-chain.pem'),
    fs.readFileSync(at('ca-cert.pem'), 'utf8') + fs.readFileSync(at('root-cert.pem'), 'utf8'),
  );
}

async function checkIssued(authority: CertificateAuthority): Promise<Certificate> {
  const issued = await authority.sign(await request(), { identity: ID });
  const [leaf, ...rest] = issued.chain;
  for (const purpose of ['sslserver', 'sslclient'])
    assert.equal(opensslVerify(leaf, rest.join(''), issued.roots, '-purpose', purpose), 'OK');
  const certificate = new Certificate(parsePem(leaf, 'leaf')[0].der);
  assert.equal(certificate.notAfter, issued.notAfter);
  assert.equal(certificate.serial, issued.serial);
  return certificate;
}

test('a workload certificate has what istiod gives it, in its order', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain });
  t.after(() => authority.close());
  const before = Date.now();
  const certificate = await checkIssued(authority);
  const text = openssl(['x509', '-noout', '-text'], certificate.pem);
  const shape = text
    .slice(text.indexOf('X509v3 extensions'), text.indexOf('Signature Algorithm: ', 200))
    .replace(/[ \n]+/g, ' ');
  assert.match(
    shape,
    /^X509v3 extensions: X509v3 Key Usage: critical Digital Signature, Key Encipherment X509v3 Extended Key Usage: TLS Web Server Authentication, TLS Web Client Authentication X509v3 Basic Constraints: critical CA:FALSE X509v3 Authority Key Identifier: ([0-9A-F]{2}:?){20} X509v3 Subject Alternative Name: critical URI:spiffe:\/\/cluster\.local\/ns\/foo\/sa\/bar $/,
  );
  assert.equal(certificate.subjectName, '');
  assert.equal(certificate.issuerName, 'O=cluster.local');
  assert.ok(Math.abs(certificate.notBefore - (before - 120_000)) < 5000);
  assert.equal(certificate.notAfter - certificate.notBefore, 24 * HOUR + 120_000);
});

test('a self-signed root is made once, kept, and is what its description says', async (t) => {
  const dir = path.join(scratch(t), 'state', 'ca');
  const authorities = await Promise.all([1, 2, 3].map(() => openSelfSigned(dir, { trustDomain })));
  t.after(() => authorities.forEach((a) => a.close()));
  const [authority] = authorities;
  assert.equal(new Set(authorities.map((a) => a.roots())).size, 1);
  assert.equal(modeOf(dir), '700');
  assert.equal(modeOf(path.join(dir, 'ca-key.pem')), '600');
  assert.deepEqual(fs.readdirSync(dir).sort(), ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem']);
  const [root] = parseCertificates(authority.roots(), 'roots');
  assert.ok(Math.abs(root.notAfter - Date.now() - 3650 * 24 * HOUR) < 5000);
  assert.deepEqual(root.extensions.basicConstraints, { ca: true, pathLength: undefined });
  assert.equal(root.extensions.keyUsage, KeyUsage.KeyCertSign | KeyUsage.CrlSign);
  assert.equal(opensslVerify(root.pem, '', root.pem), 'OK');
  const { source, key, selfSigned, signer, roots } = authority.describe();
  assert.deepEqual([source, key, selfSigned, signer.subject], [dir, 'ECDSA P-256', true, 'O=cluster.local']);
  assert.deepEqual(roots, [signer]);
  assert.equal((await authority.sign(await request(), { identity: ID })).chain.length, 1);
});

test('an RSA root on request', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain, keyType: 'rsa-2048' });
  t.after(() => authority.close());
  assert.equal(authority.describe().key, 'RSA 2048');
  await checkIssued(authority);
});

test('a folder with other things in it is not taken over', async (t) => {
  const dir = scratch(t);
  fs.writeFileSync(path.join(dir, 'notes.txt'), '');
  await assert.rejects(openSelfSigned(dir, { trustDomain }), /UserError: The folder .* has files but no ca-cert\.pem/);
  assert.deepEqual(fs.readdirSync(dir), ['notes.txt']);
});

test('plugged-in certificates, ECDSA and RSA', async (t) => {
  for (const rsa of [false, true]) {
    const dir = path.join(scratch(t), 'cacerts');
    plugIn(dir, { rsa });
    const authority = await openDirectory(dir, { trustDomain });
    t.after(() => authority.close());
    const certificate = await checkIssued(authority);
    assert.equal(certificate.issuerName, 'O=Lab, CN=Intermediate');
    const { chain, roots } = await authority.sign(await request(), { identity: ID });
    assert.equal(chain.slice(1).join(''), fs.readFileSync(path.join(dir, 'cert-chain.pem'), 'utf8'));
    assert.equal(roots, fs.readFileSync(path.join(dir, 'root-cert.pem'), 'utf8'));
    assert.equal(authority.describe().selfSigned, false);
  }
});

test('every problem of plugged-in certificates names its file', async (t) => {
  const good = path.join(scratch(t), 'good');
  plugIn(good);
  const load = async (change: (dir: string) => void, clock?: ManualClock) => {
    const dir = path.join(scratch(t), 'cacerts');
    fs.cpSync(good, dir, { recursive: true });
    change(dir);
    const authority = await openDirectory(dir, { trustDomain, clock });
    authority.close();
  };
  const write = (name: string, text: string) => (dir: string) => fs.writeFileSync(path.join(dir, name), text);
  const remove = (name: string) => (dir: string) => fs.rmSync(path.join(dir, name));
  const again = (wish: Parameters<typeof plugIn>[1]) => (dir: string) => plugIn(dir, wish);
  const other = fs.readFileSync(path.join(good, 'root-key.pem'), 'utf8');
  const strangers = path.join(scratch(t), 'strangers');
  plugIn(strangers);
  const strangeRoot = fs.readFileSync(path.join(strangers, 'root-cert.pem'), 'utf8');
  const table: [string, (dir: string) => void, RegExp, ManualClock?][] = [
    ['no certificate', remove('ca-cert.pem'), /\/ca-cert\.pem is missing\.$/],
    ['no key', remove('ca-key.pem'), /\/ca-key\.pem is missing\.$/],
    ['no root', remove('root-cert.pem'), /\/root-cert\.pem is missing\.$/],
    ['empty root', write('root-cert.pem', ' \n'), /\/root-cert\.pem is empty\.$/],
    ['garbage', write('ca-cert.pem', 'x'), /\/ca-cert\.pem holds no certificate in PEM/],
    ['garbage key', write('ca-key.pem', 'x'), /\/ca-key\.pem holds no private key/],
    [
      'damaged chain',
      write('cert-chain.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n'),
      /\/cert-chain\.pem: a PEM block is damaged/,
    ],
    ['another key', write('ca-key.pem', other), /\/ca-key\.pem is not the key of the certificate in .*\/ca-cert\.pem/],
    [
      'another root',
      write('root-cert.pem', strangeRoot),
      /ca-cert\.pem signs does not verify with .*cert-chain\.pem up to .*root-cert\.pem: /,
    ],
    [
      'not a CA',
      again({ inter: 'basicConstraints=critical,CA:FALSE' }),
      /\/ca-cert\.pem is not the certificate of an authority/,
    ],
    [
      'no keyCertSign',
      again({ inter: 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign' }),
      /\/ca-cert\.pem may not sign certificates/,
    ],
    [
      'path length',
      again({ root: 'basicConstraints=critical,CA:TRUE,pathlen:0' }),
      /path length of "O=Lab, CN=Root" allows 0 authorities below it, and there are 1/,
    ],
    [
      'name constraints',
      again({ constraints: 'nameConstraints=critical,permitted;URI:other.domain' }),
      /name constraints of "O=Lab, CN=Intermediate" do not permit "spiffe:\/\/cluster\.local\//,
    ],
    ['only for servers', again({ constraints: 'extendedKeyUsage=serverAuth' }), /does not allow it for a TLS client/],
    ['expired', () => {}, /"O=Lab, CN=Intermediate" expired on \d{4}-/, new ManualClock(Date.now() + 400 * 24 * HOUR)],
    ['not yet valid', () => {}, /is not valid before/, new ManualClock(Date.now() - HOUR)],
  ];
  await load(() => {});
  for (const [name, change, problem, clock] of table)
    await assert.rejects(load(change, clock), (e: Error) => e.name === 'UserError' && problem.test(e.message), name);
});

test('an incomplete chain is completed, or peers could not verify', async (t) => {
  const dir = path.join(scratch(t), 'cacerts');
  plugIn(dir);
  for (const text of ['', fs.readFileSync(path.join(dir, 'root-cert.pem'), 'utf8')]) {
    fs.writeFileSync(path.join(dir, 'cert-chain.pem'), text);
    const authority = await openDirectory(dir, { trustDomain });
    authority.close();
    await checkIssued(authority);
  }
});

test('the content of a secret, with the names of cacerts or of a TLS secret', async (t) => {
  const dir = path.join(scratch(t), 'cacerts');
  plugIn(dir);
  const text = (name: string) => fs.readFileSync(path.join(dir, name), 'utf8');
  const options = { trustDomain, source: 'Secret istio-system/cacerts' };
  const tls = new Map([
    ['tls.crt', text('cert-chain.pem')],
    ['tls.key', text('ca-key.pem')],
    ['ca.crt', text('root-cert.pem')],
  ]);
  const issuer = await Issuer.load(tls, options);
  await checkIssued(issuer);
  let told = 0;
  const stop = issuer.subscribe(() => told++);
  await assert.rejects(
    issuer.update(new Map([['tls.crt', 'x']])),
    /Secret istio-system\/cacerts: tls\.crt holds no certificate/,
  );
  assert.equal(told, 0);
  await checkIssued(issuer);
  const roots = text('root-cert.pem') + issuer.roots();
  const files = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem'].map((name): [string, string] => [name, text(name)]);
  await issuer.update(new Map([...files, ['root-cert.pem', roots]]));
  assert.equal(told, 1);
  assert.equal(issuer.roots(), roots);
  stop();
});

/** openssl dates what it makes by the real clock, which must not run ahead of a test's own. */
const AHEAD = 60_000;

test('changed files are taken when they are whole; the old ones stay until then', async (t) => {
  const clock = new ManualClock(Date.now() + AHEAD);
  const dir = path.join(scratch(t), 'cacerts');
  plugIn(dir);
  const errors: string[] = [];
  const authority = await openDirectory(dir, {
    trustDomain,
    clock,
    pollMs: 1000,
    onError: (e) => errors.push(String(e)),
  });
  let told = 0;
  authority.subscribe(() => told++);
  const poll = async (condition: () => boolean) => {
    for (;;) {
      await until(() => clock.pending > 0);
      if (condition()) return;
      clock.advance(1000);
    }
  };
  const first = authority.describe().signer.fingerprint;
  const key = fs.readFileSync(path.join(dir, 'ca-key.pem'));
  fs.copyFileSync(path.join(dir, 'root-key.pem'), path.join(dir, 'ca-key.pem'));
  await poll(() => errors.length > 0);
  assert.match(errors[0], /ca-key\.pem is not the key of the certificate/);
  assert.equal(authority.describe().signer.fingerprint, first);
  await checkIssued(authority);

  fs.writeFileSync(path.join(dir, 'ca-key.pem'), key);
  plugIn(dir);
  await poll(() => told === 1);
  assert.notEqual(authority.describe().signer.fingerprint, first);
  await checkIssued(authority);
  assert.equal(errors.length, 1);
  authority.close();
  assert.equal(clock.pending, 0);
});

test('lifetimes', async (t) => {
  const clock = new ManualClock(Math.floor(Date.now() / 1000) * 1000 + AHEAD);
  const dir = path.join(scratch(t), 'cacerts');
  plugIn(dir, { days: 100 });
  const authority = await openDirectory(dir, { trustDomain, clock });
  t.after(() => authority.close());
  const csr = await request();
  const lifetime = async (ttlMs?: number) =>
    (await authority.sign(csr, { identity: ID, ttlMs })).notAfter - clock.now();
  assert.equal(await lifetime(), 24 * HOUR);
  assert.equal(await lifetime(0), 24 * HOUR);
  assert.equal(await lifetime(-5000), 24 * HOUR);
  assert.equal(await lifetime(1000), 1000);
  assert.equal(await lifetime(90 * 24 * HOUR), 90 * 24 * HOUR);
  const tooLong = (e: unknown) =>
    e instanceof SigningError &&
    e.type === 'TTL_ERROR' &&
    e.message === 'requested TTL 2160h0m1s is greater than the max allowed TTL 2160h0m0s';
  await assert.rejects(lifetime(90 * 24 * HOUR + 1000), tooLong);

  // Nothing outlives what signed it.
  clock.advance(50 * 24 * HOUR);
  const left = authority.describe().signer.notAfter - clock.now();
  assert.ok(left < 60 * 24 * HOUR);
  assert.equal(await lifetime(90 * 24 * HOUR), left);
  clock.advance(left + 1000);
  await assert.rejects(
    lifetime(),
    (e: unknown) => e instanceof SigningError && e.type === 'CA_NOT_READY' && /expired on/.test(e.message),
  );
});

test('only the key is taken from a request', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain });
  t.after(() => authority.close());
  const key = await generatePrivateKey('rsa-2048');
  const wish = { uris: ['spiffe://cluster.local/ns/kube-system/sa/admin'], dnsNames: ['evil.example'] };
  const { chain } = await authority.sign(await createRequest(key, wish, [['CN', 'admin']]), { identity: ID });
  const [certificate] = parseCertificates(chain[0], 'leaf');
  const { uris, dnsNames } = certificate.extensions.subjectAltNames;
  assert.deepEqual([uris, dnsNames, certificate.subjectName], [[ID], [], '']);
  assert.ok(certificate.matches(key));
});

test('a server certificate for the control plane itself', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain });
  t.after(() => authority.close());
  const dnsNames = ['istiod.istio-system.svc', 'localhost'];
  const { chain, roots } = await authority.sign(await request([]), { dnsNames });
  assert.equal(
    opensslVerify(chain[0], '', roots, '-verify_hostname', 'istiod.istio-system.svc', '-purpose', 'sslserver'),
    'OK',
  );
  await assert.rejects(authority.sign(await request(), {}), /a certificate needs a name/);
});

test('what is not a request is a CSR_ERROR', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain });
  t.after(() => authority.close());
  for (const text of ['', 'x', authority.roots()])
    await assert.rejects(
      authority.sign(text, { identity: ID }),
      (e: unknown) =>
        e instanceof SigningError &&
        e.type === 'CSR_ERROR' &&
        e.message === 'certificate signing request is not properly encoded',
    );
});

test('serial numbers are 128 bits and do not repeat', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain });
  t.after(() => authority.close());
  const csr = await request();
  const serials = await Promise.all(
    Array.from({ length: 200 }, async () => (await authority.sign(csr, { identity: ID })).serial),
  );
  assert.equal(new Set(serials).size, 200);
  assert.ok(serials.every((s) => s.length === 32));
});
