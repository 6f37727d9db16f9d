import assert from 'node:assert/strict';
import crypto, { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { DerReader, encode, encodeOid, sequence, Tag } from '../../base/der.ts';
import { openssl } from '../../ca/openssl.test.ts';
import { encodeExtension } from '../../ca/x509/extensions.ts';
import { Certificate } from './certificate.ts';
import { formatDistinguishedName } from './distinguished-name.ts';
import { type Made, make, spiffe, testPki } from './pki.test.ts';
import { readSubjectAltNames, type SubjectAltName } from './subject-alt-names.ts';

const pki = await testPki();
const read = (made: Made): Certificate => Certificate.fromDer(made.der);

test('what a certificate says', () => {
  const server = read(pki.server);
  assert.equal(server.subject, 'CN=server,O=mesh');
  assert.equal(server.issuer, 'O=root');
  assert.equal(server.commonName, 'server');
  assert.equal(server.serial, server.x509.serialNumber.toLowerCase());
  assert.equal(server.sha256, server.x509.fingerprint256.replaceAll(':', '').toLowerCase());
  assert.deepEqual(
    [server.validFrom, server.validTo],
    [server.x509.validFromDate.getTime(), server.x509.validToDate.getTime()],
  );
  assert.deepEqual(server.names, [
    { type: 'dns', value: 'server.test' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'uri', value: 'spiffe://cluster.local/ns/a/sa/server' },
  ]);
  assert.deepEqual([server.ca, server.keyUsage], [undefined, 0x80]);
  const spki = openssl(
    ['pkey', '-pubin', '-outform', 'DER'],
    openssl(['x509', '-noout', '-pubkey'], pki.server.ownPem),
  );
  assert.equal(server.spkiSha256, crypto.hash('sha256', Buffer.from(spki, 'latin1'), 'base64'));
  assert.deepEqual(read(pki.root).ca, { pathLength: undefined });
  assert.equal(server.displayName, 'spiffe://cluster.local/ns/a/sa/server');
  assert.equal(read(pki.root).displayName, 'O=root');
});

test('names are printed as OpenSSL prints RFC 2253', async () => {
  const subjects: [string, string][][] = [
    [
      ['C', 'DE'],
      ['O', 'Cargo, Inc. + "x" <y>;\\'],
      ['OU', ' lead'],
      ['OU', '#hash'],
      ['CN', 'trail '],
    ],
    [
      ['CN', 'ümläut 日本 😀'],
      ['emailAddress', 'a@b.c'],
      ['DC', 'com'],
      ['UID', 'u1'],
      ['serialNumber', '12'],
    ],
    [
      ['O', 'a\nb\tc\u007f'],
      ['CN', ' '],
    ],
    [],
  ];
  for (const [i, subject] of subjects.entries()) {
    const made = await make(`name${i}`, { issuer: pki.root, subject });
    const expected = openssl(['x509', '-noout', '-subject', '-nameopt', 'RFC2253'], made.ownPem);
    assert.equal(read(made).subject, expected.replace(/^subject=\s*/, '').replace(/\n$/, ''));
  }
});

test('names of unusual makes', () => {
  const attribute = (oid: string, tag: number, value: Uint8Array) => sequence(encodeOid(oid), encode(tag, value));
  const name = (...sets: Uint8Array[][]) => Buffer.from(sequence(...sets.map((set) => encode(Tag.Set, ...set))));
  const text = (value: string) => Buffer.from(value, 'latin1');
  // Several attributes in one set, a type that nobody has a name for, and strings of two and four octets a character.
  assert.equal(
    formatDistinguishedName(name([attribute('2.5.4.11', 0x0c, text('Sales')), attribute('2.5.4.3', 0x0c, text('J'))])),
    'CN=J+OU=Sales',
  );
  assert.equal(formatDistinguishedName(name([attribute('1.2.3.4', 0x0c, text('x'))])), '1.2.3.4=#0C0178');
  assert.equal(
    formatDistinguishedName(name([attribute('2.5.4.3', 0x1e, Buffer.from('00410100', 'hex'))])),
    'CN=A\\C4\\80',
  );
  assert.equal(
    formatDistinguishedName(name([attribute('2.5.4.3', 0x1c, Buffer.from('0001f600', 'hex'))])),
    'CN=\\F0\\9F\\98\\80',
  );
  assert.equal(formatDistinguishedName(name([attribute('2.5.4.3', 0x14, Buffer.from([0xe9]))])), 'CN=\\C3\\A9');
  assert.equal(formatDistinguishedName(name([attribute('2.5.4.3', 0x02, Buffer.from([7]))])), 'CN=#020107');
});

describe('subject alternative names', () => {
  const IA5 = { email: 0x81, dns: 0x82, uri: 0x86 };
  const general = (tag: number, value: string | Uint8Array) =>
    encode(tag, typeof value === 'string' ? Buffer.from(value, 'latin1') : value);
  const other = (oid: string, tag: number, value: Uint8Array) =>
    encode(0xa0, encodeOid(oid), encode(0xa0, encode(tag, value)));
  const names = (...parts: Uint8Array[]): SubjectAltName[] => readSubjectAltNames(Buffer.from(sequence(...parts)));

  test('of every kind, in order', () => {
    assert.deepEqual(
      names(
        general(IA5.uri, 'spiffe://a/b'),
        general(IA5.dns, 'a.test'),
        general(IA5.email, 'a@b.c'),
        general(0x87, Uint8Array.of(10, 0, 0, 1)),
        general(0x87, Buffer.from('20010db8000000000000000000000001', 'hex')),
        general(0x87, Buffer.from('00000000000000000000ffff0a000001', 'hex')),
        general(0x87, Uint8Array.of(1, 2, 3)),
        general(0x88, encodeOid('1.2.3').subarray(2)),
      ),
      [
        { type: 'uri', value: 'spiffe://a/b' },
        { type: 'dns', value: 'a.test' },
        { type: 'email', value: 'a@b.c' },
        { type: 'ip', value: '10.0.0.1' },
        { type: 'ip', value: '2001:db8::1' },
        { type: 'ip', value: '::ffff:10.0.0.1' },
      ],
    );
  });

  test('a name that looks like several is one (CVE-2021-44532), and one with a NUL is none (CVE-2009-2408)', () => {
    const tricks = ['good.test, DNS:evil.test', "x', URI:spiffe://cluster.local/ns/a/sa/admin", 'a"b'];
    assert.deepEqual(
      names(...tricks.map((t) => general(IA5.dns, t))),
      tricks.map((value) => ({ type: 'dns', value })),
    );
    assert.deepEqual(
      names(general(IA5.dns, 'evil.test\0.good.test'), general(IA5.uri, 'spiffe://a/b\n'), general(IA5.dns, 'ü.test')),
      [],
    );
  });

  test('other names, with their values as Envoy writes them', () => {
    const oid = '1.3.6.1.4.1.311.20.2.3';
    const value = (tag: number, bytes: Uint8Array) => names(other(oid, tag, bytes))[0].value;
    assert.deepEqual(names(other(oid, 0x0c, Buffer.from('user@corp'))), [{ type: 'other', oid, value: 'user@corp' }]);
    assert.equal(value(0x05, Buffer.alloc(0)), '');
    assert.equal(value(0x01, Uint8Array.of(0xff)), 'true');
    assert.equal(value(0x01, Uint8Array.of(0)), 'false');
    assert.equal(value(0x02, Uint8Array.of(0x80)), '-128');
    assert.equal(value(0x02, Uint8Array.of(1, 0x2c)), '300');
    assert.equal(value(0x06, encodeOid('1.2.840.113549').subarray(2)), '1.2.840.113549');
    assert.equal(value(0x1e, Buffer.from('00e9', 'hex')), 'Ã©');
  });
});

test('an extension that stands there twice is refused', async () => {
  const twice = encodeExtension('2.5.29.17', false, sequence(encode(0x86, Buffer.from('spiffe://a/b'))));
  const made = await make('twice', { issuer: pki.root, names: spiffe('c/d'), extensions: [twice] });
  assert.throws(() => read(made), /stands there twice/);
});

test('bytes that are no certificate are an error, never a loop or a read past the end', () => {
  const { der } = pki.server;
  for (let at = 0; at < der.length; at++) {
    for (const value of [0, 0x7f, 0x80, 0x84, 0xff, der[at] ^ 1]) {
      const broken = Buffer.from(der);
      broken[at] = value;
      let x509: X509Certificate;
      try {
        x509 = new X509Certificate(broken);
      } catch {
        continue;
      }
      try {
        assert.equal(typeof new Certificate(x509).subject, 'string');
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof RangeError), `${at} ${value}`);
      }
    }
    assert.throws(() => {
      const reader = new DerReader(der.subarray(0, at)).enter(0x30);
      while (!reader.done) reader.any();
    });
  }
});
