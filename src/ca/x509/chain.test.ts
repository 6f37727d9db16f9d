import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { contextTag, encode, sequence } from '../../base/der.ts';
import { openssl, opensslVerify, scratch } from '../openssl.test.ts';
import { buildCertificate } from './build.ts';
import { Certificate, parseCertificate, parseCertificates } from './certificate.ts';
import { verifyChain } from './chain.ts';
import * as ext from './extensions.ts';
import { generatePrivateKey, publicKeyDer } from './keys.ts';
import { encodeName } from './names.ts';
import { Oid } from './oids.ts';

const NOW = Math.floor(Date.now() / 1000) * 1000;
const HOUR = 3_600_000;

interface Party {
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

interface Wish {
  name?: string;
  ca?: boolean;
  pathLength?: number;
  usage?: number[];
  eku?: string[];
  uris?: string[];
  dns?: string[];
  from?: number;
  to?: number;
  more?: Buffer[];
  key?: KeyObject;
}

async function make(issuer: Party | undefined, wish: Wish): Promise<Party> {
  const key = wish.key ?? (await generatePrivateKey('ecdsa-p256'));
  const subject = encodeName(wish.name === undefined ? [] : [['CN', wish.name]]);
  const info = publicKeyDer(key);
  const ca = wish.ca ?? false;
  const issuerId = issuer
    ? Buffer.from(issuer.certificate.extensions.subjectKeyIdentifier!, 'hex')
    : ext.keyIdentifier(info);
  const der = await buildCertificate(
    {
      issuer: issuer?.certificate.subject ?? subject,
      subject,
      notBefore: wish.from ?? NOW - HOUR,
      notAfter: wish.to ?? NOW + HOUR,
      publicKeyInfo: info,
      extensions: [
        ext.basicConstraints(ca, wish.pathLength),
        ext.keyUsage(
          ...(wish.usage ?? (ca ? [ext.KeyUsage.KeyCertSign, ext.KeyUsage.CrlSign] : [ext.KeyUsage.DigitalSignature])),
        ),
        ...(wish.eku ? [ext.extendedKeyUsage(...wish.eku)] : []),
        ext.subjectKeyIdentifier(ext.keyIdentifier(info)),
        ext.authorityKeyIdentifier(issuerId),
        ...(wish.uris || wish.dns
          ? [ext.subjectAltName({ uris: wish.uris, dnsNames: wish.dns }, wish.name === undefined)]
          : []),
        ...(wish.more ?? []),
      ],
    },
    issuer?.key ?? key,
  );
  return { certificate: new Certificate(der), key };
}

const WORKLOAD: Wish = { uris: ['spiffe://td/ns/a/sa/b'], eku: [Oid.serverAuth, Oid.clientAuth] };

function permittedOnly(form: number, base: string): Buffer {
  const subtree = sequence(encode(contextTag(form, false), Buffer.from(base)));
  return ext.encodeExtension(Oid.nameConstraints, true, sequence(encode(contextTag(0, true), subtree)));
}

/** Our verdict, after openssl has given the same one. */
function verdict(chain: readonly Party[], roots: readonly Party[], purpose?: 'server' | 'client'): string {
  const [leaf, ...intermediates] = chain.map((p) => p.certificate);
  const { problem } = verifyChain(leaf, { intermediates, roots: roots.map((r) => r.certificate), now: NOW, purpose });
  const flags = purpose ? ['-purpose', purpose === 'server' ? 'sslserver' : 'sslclient'] : [];
  const judge = opensslVerify(
    leaf.pem,
    intermediates.map((c) => c.pem).join(''),
    roots.map((r) => r.certificate.pem).join(''),
    ...flags,
    '-attime',
    String(NOW / 1000),
  );
  assert.equal(problem === undefined, judge === 'OK', `we say ${problem}, openssl says ${judge}`);
  return problem ?? 'OK';
}

test('chains, with openssl verify as the judge', async () => {
  const root = await make(undefined, { name: 'root', ca: true });
  const inter = await make(root, { name: 'inter', ca: true, pathLength: 0 });
  const leaf = await make(inter, WORKLOAD);
  const stranger = await make(undefined, { name: 'root', ca: true });
  const noSign = await make(root, { name: 'no-sign', ca: true, usage: [ext.KeyUsage.CrlSign] });
  const notCa = await make(root, { name: 'not-ca', ca: false, usage: [ext.KeyUsage.KeyCertSign] });
  const tooDeep = await make(inter, { name: 'too-deep', ca: true });
  const expiredCa = await make(root, { name: 'old', ca: true, to: NOW - 1000 });
  const serverOnly = await make(root, { name: 'server-ca', ca: true, eku: [Oid.serverAuth] });
  const strange = ext.encodeExtension('1.2.3.4', true, sequence());
  const pair = (issuer: Party) => make(issuer, WORKLOAD).then((l) => [l, issuer]);

  const table: [string, readonly Party[], readonly Party[], RegExp, ('server' | 'client')?][] = [
    ['whole', [leaf, inter], [root], /^OK$/],
    ['with the root in the chain', [leaf, inter, root], [root], /^OK$/],
    ['several roots', [leaf, inter], [stranger, root], /^OK$/],
    [
      'a root of the same name and another key',
      [leaf, inter],
      [stranger],
      /issuer "CN=root" of "CN=inter" is not among|not signed/,
    ],
    ['the intermediate is missing', [leaf], [root], /issuer "CN=inter" of "spiffe:\/\/td\/ns\/a\/sa\/b" is not among/],
    ['self-signed and unknown', [stranger], [root], /is self-signed and is not a trusted root/],
    ['not yet valid', [await make(root, { ...WORKLOAD, from: NOW + 1000 })], [root], /is not valid before/],
    [
      'expired',
      [await make(root, { ...WORKLOAD, to: NOW - 1000 })],
      [root],
      /"spiffe:\/\/td\/ns\/a\/sa\/b" expired on/,
    ],
    ['expired intermediate', await pair(expiredCa), [root], /"CN=old" expired on/],
    ['no keyCertSign', await pair(noSign), [root], /does not include keyCertSign/],
    ['not a CA', await pair(notCa), [root], /CA:TRUE is missing/],
    [
      'path too long',
      [...(await pair(tooDeep)), inter],
      [root],
      /path length of "CN=inter" allows 0 authorities below it, and there are 1/,
    ],
    [
      'unknown critical extension',
      [await make(root, { ...WORKLOAD, more: [strange] })],
      [root],
      /critical extension 1\.2\.3\.4/,
    ],
    ['server', [leaf, inter], [root], /^OK$/, 'server'],
    ['client', [leaf, inter], [root], /^OK$/, 'client'],
    [
      'only a server',
      [await make(root, { ...WORKLOAD, eku: [Oid.serverAuth] })],
      [root],
      /does not allow it for a TLS client/,
      'client',
    ],
    [
      'an authority for servers only',
      await pair(serverOnly),
      [root],
      /"CN=server-ca" does not allow it for a TLS client/,
      'client',
    ],
    ['no purposes named', [await make(root, { uris: WORKLOAD.uris })], [root], /^OK$/, 'client'],
  ];
  for (const [name, chain, roots, expected, purpose] of table)
    assert.match(verdict(chain, roots, purpose), expected, name);
});

test('name constraints, with openssl verify as the judge', async () => {
  const root = await make(undefined, { name: 'root', ca: true });
  const limited = async (form: number, base: string) =>
    make(root, { name: 'limited', ca: true, more: [permittedOnly(form, base)] });
  const [DNS, URI, EMAIL] = [2, 6, 1];
  const table: [number, string, Wish, RegExp][] = [
    [DNS, 'example.com', { dns: ['a.example.com', 'example.com'] }, /^OK$/],
    [DNS, 'example.com', { dns: ['badexample.com'] }, /do not permit "badexample\.com"/],
    [DNS, 'example.com', { dns: ['a.example.com', 'other.org'] }, /do not permit "other\.org"/],
    [DNS, 'example.com', { uris: ['spiffe://td/ns/a/sa/b'] }, /^OK$/],
    [URI, 'td', { uris: ['spiffe://td/ns/a/sa/b'] }, /^OK$/],
    [URI, 'td', { uris: ['spiffe://sub.td/ns/a/sa/b'] }, /do not permit/],
    [URI, '.td', { uris: ['spiffe://sub.td/ns/a/sa/b'] }, /^OK$/],
    [URI, 'td', { uris: ['spiffe://other/ns/a/sa/b'] }, /do not permit "spiffe:\/\/other/],
    [EMAIL, 'example.com', { dns: ['a'] }, /^OK$/],
  ];
  for (const [form, base, wish, expected] of table) {
    const ca = await limited(form, base);
    assert.match(verdict([await make(ca, wish), ca], [root]), expected, `${base} ${JSON.stringify(wish)}`);
  }
});

test('cross-signed authorities: a dead end does not hide the way', async () => {
  const key = await generatePrivateKey('ecdsa-p256');
  const [oldRoot, newRoot] = [
    await make(undefined, { name: 'old', ca: true }),
    await make(undefined, { name: 'new', ca: true }),
  ];
  const underOld = await make(oldRoot, { name: 'ca', ca: true, key });
  const underNew = await make(newRoot, { name: 'ca', ca: true, key });
  const leaf = await make(underOld, WORKLOAD);
  for (const order of [
    [underOld, underNew],
    [underNew, underOld],
  ]) {
    for (const { certificate } of [newRoot, oldRoot]) {
      const intermediates = order.map((p) => p.certificate);
      assert.equal(verifyChain(leaf.certificate, { intermediates, roots: [certificate], now: NOW }).problem, undefined);
    }
  }
});

test('a bundle that is made to explode costs a bounded number of signatures', async () => {
  const keys = await Promise.all(Array.from({ length: 6 }, () => generatePrivateKey('ecdsa-p256')));
  const named = async (key: KeyObject, issuer?: Party) => make(issuer, { name: 'x', ca: true, key });
  const first = await Promise.all(keys.map((key) => named(key)));
  const crowd: Party[] = [];
  for (const issuer of first) for (const key of keys) crowd.push(await named(key, issuer));
  const leaf = await make(first[0], WORKLOAD);
  const { problem } = verifyChain(leaf.certificate, {
    intermediates: crowd.map((p) => p.certificate),
    roots: [(await make(undefined, { name: 'x', ca: true })).certificate],
    now: NOW,
  });
  assert.ok(problem);
});

test('SHA-1 proves nothing, except under a root, which needs no proof', (t) => {
  const dir = scratch(t);
  const key = ['-newkey', 'rsa:2048', '-nodes'];
  openssl(['req', '-x509', '-sha1', ...key, '-keyout', `${dir}/r.key`, '-subj', '/CN=r', '-out', `${dir}/r.pem`]);
  openssl(['req', '-new', ...key, '-keyout', `${dir}/l.key`, '-subj', '/CN=l', '-out', `${dir}/l.csr`]);
  const issue = (hash: string) =>
    openssl([
      'x509',
      '-req',
      '-in',
      `${dir}/l.csr`,
      hash,
      '-CA',
      `${dir}/r.pem`,
      '-CAkey',
      `${dir}/r.key`,
      '-CAcreateserial',
    ]);
  const roots = parseCertificates(openssl(['x509', '-in', `${dir}/r.pem`]), 'root');
  const check = (pem: string) =>
    verifyChain(parseCertificates(pem, 'leaf')[0], { intermediates: [], roots, now: Date.now() + 1000 }).problem;
  assert.equal(check(issue('-sha256')), undefined);
  assert.match(check(issue('-sha1')) ?? '', /MD5 or SHA-1/);
});

test('a certificate of openssl is read whole', (t) => {
  const dir = scratch(t);
  const pem = openssl([
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    `${dir}/key`,
    '-days',
    '10',
    '-set_serial',
    '0x0a',
    '-subj',
    '/O=Cargo Inc./CN=x',
    '-addext',
    'basicConstraints=critical,CA:TRUE,pathlen:3',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
    '-addext',
    'extendedKeyUsage=serverAuth',
    '-addext',
    'subjectAltName=DNS:a.b,URI:spiffe://td/x,IP:10.0.0.1,IP:::1,email:a@b,RID:1.2.3',
  ]);
  const [c] = parseCertificates(pem, 'it');
  assert.equal(c.version, 3);
  assert.equal(c.serial, '0a');
  assert.equal(c.subjectName, 'O=Cargo Inc., CN=x');
  assert.equal(c.issuerName, c.subjectName);
  assert.equal(c.notAfter - c.notBefore, 10 * 24 * HOUR);
  assert.equal(c.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.deepEqual(c.extensions.basicConstraints, { ca: true, pathLength: 3 });
  assert.equal(c.extensions.keyUsage, ext.KeyUsage.KeyCertSign | ext.KeyUsage.CrlSign);
  assert.deepEqual(c.extensions.extendedKeyUsage, [Oid.serverAuth]);
  const { uris, dnsNames, emails, ips, others } = c.extensions.subjectAltNames;
  assert.deepEqual(
    [uris, dnsNames, emails, ips.map((ip) => ip.length), others],
    [['spiffe://td/x'], ['a.b'], ['a@b'], [4, 16], true],
  );
  assert.equal(c.pem, pem);
  const print = openssl(['x509', '-noout', '-fingerprint', '-sha256'], pem);
  assert.equal(c.fingerprint, print.split('=')[1].trim().replaceAll(':', '').toLowerCase());
  assert.ok(c.isSignedBy(c));
});

test('what is not a certificate is a clear error', () => {
  assert.throws(
    () => parseCertificate(Buffer.from('3000', 'hex'), 'x.pem'),
    /^UserError: x\.pem is not a valid certificate: the signed part is missing/,
  );
  assert.throws(() => parseCertificates('', 'x.pem'), /^UserError: x\.pem holds no certificate in PEM/);
});
