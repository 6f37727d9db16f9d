import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openssl, scratch } from '../openssl.test.ts';
import { generatePrivateKey, KEY_TYPES, parsePrivateKey } from './keys.ts';
import { formatPem, parsePem } from './pem.ts';
import { createRequest, parseRequest, RequestError } from './request.ts';

const ID = 'spiffe://cluster.local/ns/foo/sa/bar';

function opensslKey(dir: string, name: string, ...args: string[]): string {
  const file = path.join(dir, `${name}.key`);
  openssl(['genpkey', '-out', file, ...args]);
  return file;
}

const opensslRequest = (key: string, ...args: string[]) => openssl(['req', '-new', '-key', key, '-subj', '/', ...args]);

test('openssl verifies what we make, for every key type', async () => {
  for (const type of KEY_TYPES) {
    const key = await generatePrivateKey(type);
    const pem = await createRequest(key, { uris: [ID], dnsNames: ['a.example'] });
    const text = openssl(['req', '-verify', '-noout', '-text'], pem);
    assert.match(text, /Subject: *\n/, type);
    assert.match(
      text,
      /X509v3 Subject Alternative Name: critical\s+DNS:a\.example, URI:spiffe:\/\/cluster\.local\/ns\/foo\/sa\/bar/,
    );
    const back = parseRequest(pem);
    assert.deepEqual([back.names.uris, back.names.dnsNames], [[ID], ['a.example']]);
  }
});

test('a subject makes the names non-critical', async () => {
  const pem = await createRequest(await generatePrivateKey('ecdsa-p256'), { dnsNames: ['a'] }, [['O', 'x']]);
  assert.match(openssl(['req', '-noout', '-text'], pem), /Subject: O *= *x[\s\S]*Alternative Name: ?\n/);
});

test('we read what openssl makes, with each accepted key', (t) => {
  const dir = scratch(t);
  const curve = (name: string) => [
    '-algorithm',
    'EC',
    '-pkeyopt',
    `ec_paramgen_curve:${name}`,
    '-pkeyopt',
    'ec_param_enc:named_curve',
  ];
  const table: [string, string, ...string[]][] = [
    ['ec', 'p256', ...curve('P-256')],
    ['ec', 'p384', ...curve('P-384')],
    ['ec', 'p521', ...curve('P-521')],
    ['rsa', 'rsa2048', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
    ['ed25519', 'ed', '-algorithm', 'ED25519'],
  ];
  for (const [type, name, ...args] of table) {
    const key = opensslKey(dir, name, ...args);
    const plain = parseRequest(opensslRequest(key));
    assert.equal(plain.publicKey.asymmetricKeyType, type);
    assert.deepEqual(plain.names.uris, []);
    const named = parseRequest(opensslRequest(key, '-addext', `subjectAltName=URI:${ID},DNS:x,IP:10.0.0.1`));
    assert.deepEqual([named.names.uris, named.names.dnsNames, named.names.ips.length], [[ID], ['x'], 1]);
  }
});

test('keys and algorithms that are refused', (t) => {
  const dir = scratch(t);
  const rsa = (bits: number) =>
    opensslKey(dir, `rsa${bits}`, '-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`);
  const curve = (name: string, encoding = 'named_curve') =>
    opensslKey(
      dir,
      `${name}${encoding}`,
      '-algorithm',
      'EC',
      '-pkeyopt',
      `ec_paramgen_curve:${name}`,
      '-pkeyopt',
      `ec_param_enc:${encoding}`,
    );
  const exponent = opensslKey(
    dir,
    'e3',
    '-algorithm',
    'RSA',
    '-pkeyopt',
    'rsa_keygen_bits:2048',
    '-pkeyopt',
    'rsa_keygen_pubexp:3',
  );
  const compressed = path.join(dir, 'compressed.key');
  openssl(['ec', '-in', curve('P-256'), '-conv_form', 'compressed', '-out', compressed]);
  const table: [string, string, RegExp][] = [
    ['RSA 1024', opensslRequest(rsa(1024)), /RSA key of 1024 bits is too weak/],
    ['exponent 3', opensslRequest(exponent), /exponent/],
    ['secp256k1', opensslRequest(curve('secp256k1')), /secp256k1 is not allowed/],
    ['P-224', opensslRequest(curve('secp224r1')), /secp224r1 is not allowed/],
    ['compressed point', opensslRequest(compressed), /compressed is not allowed/],
    ['explicit parameters', opensslRequest(curve('P-256', 'explicit')), /explicit parameters is not allowed/],
    ['SHA-1', opensslRequest(rsa(2048), '-sha1'), /1\.2\.840\.113549\.1\.1\.5 is not accepted/],
    ['RSA-PSS', opensslRequest(rsa(2048), '-sigopt', 'rsa_padding_mode:pss'), /is not accepted/],
    [
      'Ed448',
      opensslRequest(opensslKey(dir, 'ed448', '-algorithm', 'ED448')),
      /keys of type 1\.3\.101\.113 are not allowed/,
    ],
  ];
  for (const [name, pem, problem] of table)
    assert.throws(
      () => parseRequest(pem),
      (e: unknown) => e instanceof RequestError && problem.test(e.message),
      name,
    );
});

test('texts that are not one request', async () => {
  const pem = await createRequest(await generatePrivateKey('ecdsa-p256'), { uris: [ID] });
  const table: [string, string, RegExp][] = [
    ['nothing', '', /not properly encoded/],
    ['garbage', 'hello', /not properly encoded/],
    ['two', pem + pem, /not properly encoded/],
    ['other label', pem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), /not properly encoded/],
    ['cut', pem.slice(0, -10), /not properly encoded/],
    ['too large', pem + ' '.repeat(20000), /larger than 16384/],
    ['DER inside is none', formatPem('CERTIFICATE REQUEST', Buffer.from('hello')), /failed to parse/],
  ];
  for (const [name, text, problem] of table)
    assert.throws(
      () => parseRequest(text),
      (e: unknown) => e instanceof RequestError && problem.test(e.message),
      name,
    );
  assert.ok(parseRequest(pem.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST')));
});

test('no byte of a request can be changed', async () => {
  const key = await generatePrivateKey('ecdsa-p256');
  const [{ der }] = parsePem(await createRequest(key, { uris: [ID] }), 'it');
  for (let at = 0; at < der.length; at++) {
    for (const flip of [0x01, 0x80]) {
      const changed = Buffer.from(der);
      changed[at] ^= flip;
      assert.throws(() => parseRequest(formatPem('CERTIFICATE REQUEST', changed)), RequestError, `byte ${at}`);
    }
  }
  assert.throws(
    () => parseRequest(formatPem('CERTIFICATE REQUEST', Buffer.concat([der, Buffer.of(0)]))),
    /after its end/,
  );
});

test('a private key file that is none, or encrypted, is a clear error', async (t) => {
  const dir = scratch(t);
  const file = opensslKey(dir, 'k', '-algorithm', 'ED25519');
  const encrypted = openssl(['pkey', '-in', file, '-aes128', '-passout', 'pass:secret']);
  assert.throws(() => parsePrivateKey(encrypted, 'key.pem'), /^UserError: key\.pem is encrypted; write it without/);
  assert.throws(() => parsePrivateKey('nonsense', 'key.pem'), /^UserError: key\.pem holds no private key/);
});
