import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { PeerCertificates } from './peer-certificate.ts';
import { type Made, testPki } from './pki.test.ts';

const pki = await testPki();
const peerOf = (made: Made) => new X509Certificate(made.der);

test('facts of a peer are made once, and apart for those who were not validated', () => {
  const cache = new PeerCertificates();
  const facts = cache.facts(cache.read(peerOf(pki.good)), true);
  assert.equal(cache.facts(cache.read(peerOf(pki.good)), true), facts);
  assert.equal(cache.read(peerOf(pki.good)).leaf, cache.read(peerOf(pki.good)).leaf);
  const doubtful = cache.facts(cache.read(peerOf(pki.good)), false);
  assert.deepEqual([facts.validated, doubtful.validated], [true, false]);
  assert.deepEqual(facts.uriSans, ['spiffe://cluster.local/ns/a/sa/client']);
  assert.deepEqual([facts.dnsSans, facts.ipSans, facts.emailSans], [[], [], []]);
  assert.equal(facts.subject, 'CN=good,O=mesh');
});

test('a bounded number, those seen last', () => {
  const cache = new PeerCertificates(2);
  const facts = (made: Made) => cache.facts(cache.read(peerOf(made)), true);
  const good = facts(pki.good);
  facts(pki.wrongId);
  assert.equal(facts(pki.good), good);
  facts(pki.expired);
  assert.equal(facts(pki.good), good);
  const other = facts(pki.wrongId);
  facts(pki.notYet);
  assert.notEqual(facts(pki.good), good);
  assert.notEqual(facts(pki.wrongId), other);
});

test('who is only looked at takes no place', () => {
  const cache = new PeerCertificates(1);
  const good = cache.facts(cache.read(peerOf(pki.good)), true);
  for (const made of [pki.otherRoot, pki.selfSigned]) cache.read(peerOf(made));
  assert.equal(cache.facts(cache.read(peerOf(pki.good)), true), good);
});

test('PEM, escaped for headers', () => {
  const cache = new PeerCertificates();
  const { leaf } = cache.read(peerOf(pki.good));
  const facts = cache.facts({ leaf, others: [peerOf(pki.inter)] }, true);
  assert.match(facts.pem(), /^-----BEGIN%20CERTIFICATE-----%0AMII[A-Za-z0-9%-]+-----END%20CERTIFICATE-----%0A$/);
  assert.equal(decodeURIComponent(facts.pem()), pki.good.ownPem);
  assert.equal(decodeURIComponent(facts.chainPem()), pki.good.ownPem + pki.inter.ownPem);
  const alone = cache.facts({ leaf, others: [] }, true);
  assert.equal(alone.chainPem(), alone.pem());
});
