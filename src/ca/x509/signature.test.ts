import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { scratch } from '../openssl.test.ts';
import { Certificate, parseCertificate } from './certificate.ts';
import { Oid } from './oids.ts';
import { parsePem } from './pem.ts';
import { verifySignature } from './signature.ts';

/** `openssl req -x509` with these arguments: a certificate that signs itself. */
function selfSigned(dir: string, args: readonly string[]): Uint8Array {
  const pem = execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', '-subj', '/CN=x', '-days', '1', '-keyout', path.join(dir, 'key'), ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return parsePem(pem, 'it')[0]!.der;
}

const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const RSA = ['-newkey', 'rsa:2048'];

test('signatures of every algorithm are verified, and a changed byte is found in each', (t) => {
  const dir = scratch(t);
  const table: readonly (readonly [string, readonly string[]])[] = [
    [Oid.ecdsaWithSha256, P256],
    [Oid.ecdsaWithSha384, [...P256, '-sha384']],
    [Oid.ecdsaWithSha512, ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha512']],
    [Oid.sha256WithRsa, RSA],
    [Oid.sha384WithRsa, [...RSA, '-sha384']],
    [Oid.sha512WithRsa, [...RSA, '-sha512']],
    [Oid.ed25519, ['-newkey', 'ed25519']],
    // RSASSA-PSS, which nobody here knows but OpenSSL.
    ['1.2.840.113549.1.1.10', [...RSA, '-sigopt', 'rsa_padding_mode:pss']],
  ];
  for (const [algorithm, args] of table) {
    const der = selfSigned(dir, args);
    const certificate = parseCertificate(der, algorithm);
    assert.equal(certificate.signatureAlgorithm, algorithm);
    assert.ok(certificate.isSignedBy(certificate), algorithm);
    const signature = Uint8Array.from(der);
    signature[der.length - 1]! ^= 1;
    assert.ok(!new Certificate(signature).isSignedBy(certificate), `${algorithm}: the signature is another`);
    const serial = Uint8Array.from(der);
    // Version and serial number stand at the start of the signed part.
    const at = Buffer.from(der).indexOf(Buffer.from('a003020102', 'hex')) + 7;
    serial[at + 3]! ^= 1;
    assert.ok(!new Certificate(serial).isSignedBy(certificate), `${algorithm}: what is signed is another`);
  }
});

test('the algorithm beside the signature must be the one that is signed', (t) => {
  const der = Uint8Array.from(selfSigned(scratch(t), [...RSA]));
  const oid = Buffer.from('2a864886f70d01010b', 'hex');
  const signed = new Certificate(der);
  const outer = Buffer.from(der).lastIndexOf(oid);
  der[outer + oid.length - 1] = 0x0c;
  const changed = new Certificate(der);
  assert.equal(changed.signatureAlgorithm, Oid.sha384WithRsa);
  assert.ok(!changed.isSignedBy(signed));
});

test('an algorithm that does not go with the key says nothing', () => {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const data = Buffer.from('x');
  const signature = crypto.sign('sha256', data, privateKey);
  assert.equal(verifySignature(Oid.ecdsaWithSha256, data, publicKey, signature), true);
  assert.equal(verifySignature(Oid.ecdsaWithSha384, data, publicKey, signature), false);
  assert.equal(verifySignature(Oid.sha256WithRsa, data, publicKey, signature), undefined);
  assert.equal(verifySignature('1.2.3', data, publicKey, signature), undefined);
});
