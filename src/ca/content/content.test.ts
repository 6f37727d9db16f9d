import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { ManualClock } from '../../base/clock.ts';
import { Issuer } from '../authority/issuer.ts';
import { generateSelfSigned } from '../authority/self-signed.ts';
import { openssl, scratch, until } from '../openssl.test.ts';
import { generatePrivateKey, privateKeyPem } from '../x509/keys.ts';
import { createRequest } from '../x509/request.ts';
import { encodeSecret } from './encode.ts';
import { parseFileResource, watchFileSecret } from './file-secrets.ts';
import {
  type CredentialObject,
  certificateSecret,
  findCaObject,
  parseCredentialReference,
  validationSecret,
} from './kubernetes-secrets.ts';
import type { SecretContent } from './secret.ts';
import { workloadCertificateSecret, workloadRootsSecret } from './workload-secrets.ts';

const NOW = Date.now();
const HOUR = 3_600_000;

interface Pair {
  readonly chain: string;
  readonly key: string;
}
let one: Pair;
let two: Pair;
let roots: string;

before(async () => {
  const made = await generateSelfSigned({ trustDomain: 'td', now: NOW });
  const files = new Map([...made].map(([name, { text }]) => [name, text]));
  const issuer = await Issuer.load(files, { trustDomain: 'td', source: 'test' });
  const pair = async () => {
    const key = await generatePrivateKey('ecdsa-p256');
    const { chain } = await issuer.sign(await createRequest(key, {}), { dnsNames: ['a.example'], ttlMs: HOUR });
    return { chain: chain.join(''), key: privateKeyPem(key) };
  };
  [one, two] = [await pair(), await pair()];
  roots = issuer.roots();
});

test("a workload's own secrets", () => {
  const none = { certificate: undefined, roots: '', lastRenewal: undefined, lastError: undefined };
  assert.equal(workloadCertificateSecret(none), undefined);
  assert.equal(workloadRootsSecret(none), undefined);
  const certificate = { key: 'K', chain: 'C', identity: '', serial: '', notBefore: 0, notAfter: 0 };
  const state = { ...none, certificate, roots: 'R' };
  assert.deepEqual(workloadCertificateSecret(state), {
    type: 'certificate',
    name: 'default',
    certificateChain: 'C',
    privateKey: 'K',
  });
  assert.deepEqual(workloadRootsSecret(state), { type: 'validation', name: 'ROOTCA', trustedCa: 'R' });
});

test('what goes over the wire', () => {
  const decode = (secret: SecretContent) => fromBinary(SecretSchema, toBinary(SecretSchema, encodeSecret(secret)));
  const text = (source: { specifier: { case?: string; value?: unknown } } | undefined) =>
    source?.specifier.case === 'inlineBytes' ? Buffer.from(source.specifier.value as Uint8Array).toString() : undefined;

  const tls = decode({
    type: 'certificate',
    name: 'default',
    certificateChain: 'C',
    privateKey: 'K',
    ocspStaple: Buffer.from('O'),
  });
  assert.equal(tls.name, 'default');
  assert.ok(tls.type.case === 'tlsCertificate');
  const { certificateChain, privateKey, ocspStaple } = tls.type.value;
  assert.deepEqual([certificateChain, privateKey, ocspStaple].map(text), ['C', 'K', 'O']);

  const context = decode({ type: 'validation', name: 'ROOTCA', trustedCa: 'R', crl: 'L' });
  assert.ok(context.type.case === 'validationContext');
  assert.deepEqual([context.type.value.trustedCa, context.type.value.crl].map(text), ['R', 'L']);
  const plain = decode({ type: 'validation', name: 'ROOTCA', trustedCa: 'R' });
  assert.ok(plain.type.case === 'validationContext' && plain.type.value.crl === undefined);
});

test('names that stand for files', () => {
  assert.deepEqual(parseFileResource('file-cert:/c/s.pem~/c/s.key'), {
    type: 'certificate',
    chain: '/c/s.pem',
    key: '/c/s.key',
  });
  assert.deepEqual(parseFileResource('file-root:/c/ca.pem'), { type: 'validation', trustedCa: '/c/ca.pem' });
  for (const name of [
    '',
    'default',
    'file-cert:',
    'file-cert:/a',
    'file-cert:/a~',
    'file-cert:~/b',
    'file-cert:/a~/b~/c',
    'file-root:',
    'kubernetes://x',
  ])
    assert.equal(parseFileResource(name), undefined, name);
});

test('files are followed, and what is wrong with them is told while the last good secret stays', async (t) => {
  const dir = scratch(t);
  const clock = new ManualClock(NOW);
  const file = (name: string) => path.join(dir, name);
  const told: (SecretContent | string)[] = [];
  const options = {
    places: (p: string) => [path.join(dir, 'first', p), path.join(dir, p)],
    onChange: (secret: SecretContent) => told.push(secret),
    onError: (error: unknown) => told.push(String(error)),
    clock,
    pollMs: 1000,
  };
  const watch = await watchFileSecret('file-cert:/s.pem~/s.key', options);
  t.after(() => watch.close());
  const next = async () => {
    while (told.length === 0) {
      await until(() => clock.pending > 0);
      clock.advance(1000);
    }
    return told.shift();
  };
  assert.equal(await next(), 'UserError: /s.pem is missing.');
  fs.writeFileSync(file('s.pem'), one.chain);
  fs.writeFileSync(file('s.key'), one.key);
  const secret = {
    type: 'certificate',
    name: 'file-cert:/s.pem~/s.key',
    certificateChain: one.chain,
    privateKey: one.key,
  };
  assert.deepEqual(await next(), secret);
  fs.writeFileSync(file('s.key'), two.key);
  assert.equal(await next(), 'UserError: /s.key is not the key of the first certificate in /s.pem.');
  fs.writeFileSync(file('s.pem'), two.chain);
  assert.deepEqual(await next(), { ...secret, certificateChain: two.chain, privateKey: two.key });

  fs.writeFileSync(file('ca.pem'), roots);
  const root = await watchFileSecret('file-root:/ca.pem', options);
  root.close();
  assert.deepEqual(told, [{ type: 'validation', name: 'file-root:/ca.pem', trustedCa: roots }]);
  await assert.rejects(
    watchFileSecret('default', options),
    /UserError: "default" is neither file-cert:CERT~KEY nor file-root:CA/,
  );
});

function object(data: Record<string, string>, kind: CredentialObject['kind'] = 'Secret'): CredentialObject {
  return {
    kind,
    namespace: 'istio-system',
    name: 'gw',
    data: new Map(Object.entries(data).map(([k, v]) => [k, Buffer.from(v)])),
  };
}

test('names that stand for Kubernetes objects', () => {
  const table: [string, ReturnType<typeof parseCredentialReference>][] = [
    ['kubernetes://gw', { kind: 'Secret', namespace: undefined, name: 'gw' }],
    ['kubernetes://gw-cacert', { kind: 'Secret', namespace: undefined, name: 'gw-cacert' }],
    ['kubernetes://ns/gw', { kind: 'Secret', namespace: 'ns', name: 'gw' }],
    ['kubernetes-gateway://ns/gw', { kind: 'Secret', namespace: 'ns', name: 'gw' }],
    ['configmap://ns/gw', { kind: 'ConfigMap', namespace: 'ns', name: 'gw' }],
    ['kubernetes-gateway://gw', undefined],
    ['configmap://gw', undefined],
    ['kubernetes://', undefined],
    ['kubernetes://a/b/c', undefined],
    ['kubernetes://../x', undefined],
    ['default', undefined],
  ];
  for (const [name, expected] of table) {
    assert.deepEqual(parseCredentialReference(name), expected, name);
  }
});

test('secrets, generic and of type TLS', () => {
  const generic = object({ cert: one.chain, key: one.key, cacert: roots });
  const tls = object({ 'tls.crt': two.chain, 'tls.key': two.key, 'ca.crt': roots, 'tls.ocsp-staple': 'O' });
  assert.deepEqual(certificateSecret('kubernetes://gw', generic, NOW), {
    type: 'certificate',
    name: 'kubernetes://gw',
    certificateChain: one.chain,
    privateKey: one.key,
  });
  assert.deepEqual(certificateSecret('kubernetes://gw', tls, NOW), {
    type: 'certificate',
    name: 'kubernetes://gw',
    certificateChain: two.chain,
    privateKey: two.key,
    ocspStaple: Buffer.from('O'),
  });
  const both = object({ cert: one.chain, key: one.key, 'tls.crt': two.chain, 'tls.key': two.key });
  assert.equal(certificateSecret('x', both, NOW).privateKey, one.key, 'the generic keys come first');
  for (const secret of [generic, tls, object({ 'ca.crt': roots }, 'ConfigMap')])
    assert.deepEqual(validationSecret('kubernetes://gw-cacert', secret, NOW), {
      type: 'validation',
      name: 'kubernetes://gw-cacert',
      trustedCa: roots,
    });
});

test('CA certificates are in the secret with the suffix, or else in the one without', () => {
  const [plain, suffixed] = [object({ a: '' }), object({ b: '' })];
  const find = (objects: Record<string, CredentialObject>) => (name: string) => objects[name];
  assert.equal(findCaObject('gw-cacert', find({ gw: plain, 'gw-cacert': suffixed })), suffixed);
  assert.equal(findCaObject('gw-cacert', find({ gw: plain })), plain);
  assert.equal(findCaObject('gw-cacert', find({})), undefined);
  assert.equal(findCaObject('gw', find({ gw: plain })), plain);
});

test('revocation lists', (t) => {
  const dir = scratch(t);
  fs.writeFileSync(path.join(dir, 'index'), '');
  fs.writeFileSync(
    path.join(dir, 'cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${dir}/index\ndefault_md=sha256\ndefault_crl_days=1\n`,
  );
  openssl([
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    `${dir}/k`,
    '-subj',
    '/CN=r',
    '-out',
    `${dir}/c`,
  ]);
  const crl = openssl(['ca', '-gencrl', '-config', `${dir}/cnf`, '-keyfile', `${dir}/k`, '-cert', `${dir}/c`]);
  for (const key of ['crl', 'ca.crl'])
    assert.equal(validationSecret('x', object({ cacert: roots, [key]: crl }), NOW).crl, crl);
  assert.throws(
    () => validationSecret('x', object({ cacert: roots, crl: roots }), NOW),
    /key "crl" holds no certificate revocation list/,
  );
});

test('what is wrong with a secret, by object and key, without any of its content', () => {
  const table: [string, () => unknown, RegExp][] = [
    [
      'nothing',
      () => certificateSecret('x', object({}), NOW),
      /^Secret istio-system\/gw lacks the keys "cert" and "key", or "tls\.crt" and "tls\.key"; it has none\.$/,
    ],
    [
      'others',
      () => certificateSecret('x', object({ a: '', b: '', c: '', d: '' }), NOW),
      /it has "a", "b", "c" and 1 more\.$/,
    ],
    [
      'empty',
      () => certificateSecret('x', object({ 'tls.crt': '', 'tls.key': '' }), NOW),
      /has the keys "tls\.crt" and "tls\.key", but no value in both/,
    ],
    [
      'another key',
      () => certificateSecret('x', object({ cert: one.chain, key: two.key }), NOW),
      /^Secret istio-system\/gw, key "key" is not the key of the first certificate in Secret istio-system\/gw, key "cert"\.$/,
    ],
    [
      'garbage',
      () => certificateSecret('x', object({ cert: 'x', key: one.key }), NOW),
      /key "cert" holds no certificate/,
    ],
    [
      'garbage key',
      () => certificateSecret('x', object({ cert: one.chain, key: 'hush' }), NOW),
      /key "key" holds no private key/,
    ],
    [
      'expired',
      () => certificateSecret('x', object({ cert: one.chain, key: one.key }), NOW + 2 * HOUR),
      /^The certificate "a\.example" in Secret istio-system\/gw, key "cert" expired on \d{4}-/,
    ],
    [
      'no CA',
      () => validationSecret('x', object({ cert: one.chain }), NOW),
      /lacks the key "cacert" or "ca\.crt"; it has "cert"\.$/,
    ],
    ['empty CA', () => validationSecret('x', object({ 'ca.crt': '' }), NOW), /has the key "ca\.crt", but no value/],
    [
      'expired CA',
      () => validationSecret('x', object({ 'ca.crt': one.chain }, 'ConfigMap'), NOW + 2 * HOUR),
      /^The certificate "a\.example" in ConfigMap istio-system\/gw, key "ca\.crt" expired/,
    ],
  ];
  for (const [name, act, problem] of table)
    assert.throws(
      act,
      (e: Error) => e.name === 'UserError' && problem.test(e.message) && !e.message.includes('hush'),
      name,
    );
  const mixed = one.chain + roots;
  assert.equal(
    validationSecret('x', object({ cacert: mixed }), NOW + 2 * HOUR).trustedCa,
    mixed,
    'one that has expired does not spoil the others',
  );
});
