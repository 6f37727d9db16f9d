import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openssl, scratch } from '../../ca/openssl.test.ts';
import { Certificate } from './certificate.ts';
import { type ChainRules, verifyChain } from './chain.ts';
import { type Made, make, testPki } from './pki.test.ts';
import { VerifyError } from './verify-errors.ts';

const pki = await testPki();
const read = (made: Made) => Certificate.fromDer(made.der);

function verdict(
  leaf: Made,
  others: readonly Made[],
  anchors: readonly Made[],
  more: Partial<ChainRules> = {},
): string {
  const rules = {
    anchors: anchors.map(read),
    now: Date.now(),
    purpose: undefined,
    maxDepth: 100,
    strict: true,
    ...more,
  };
  const peer = { leaf: read(leaf), others: others.map((c) => new X509Certificate(c.der)) };
  const { path, problem } = verifyChain(peer, rules);
  return path ? path.map((c) => c.subject).join(' < ') : `${problem?.error} at ${problem?.depth}`;
}

test('a path is found through whatever was sent, in any order', () => {
  const path = 'CN=withIntermediate,O=mesh < O=inter < O=root';
  assert.equal(verdict(pki.withIntermediate, [pki.inter], [pki.root]), path);
  assert.equal(verdict(pki.withIntermediate, [pki.other, pki.root, pki.inter], [pki.other, pki.root]), path);
  assert.equal(verdict(pki.good, [], [pki.root]), 'CN=good,O=mesh < O=root');
  // What is trusted ends the search, be it in the middle or the peer's own certificate.
  assert.equal(verdict(pki.withIntermediate, [pki.inter], [pki.inter]), 'CN=withIntermediate,O=mesh < O=inter');
  assert.equal(verdict(pki.good, [], [pki.good]), 'CN=good,O=mesh');
  assert.equal(verdict(pki.good, [], []), `${VerifyError.UnableToGetIssuerLocally} at 0`);
});

test('a wrong candidate does not hide the right one', async () => {
  // Two authorities of one name and one key identifier: only the signature tells them apart.
  const twin = await make('twin', { ca: true, subject: [['O', 'root']], key: pki.root.key, to: -1, from: -9 });
  assert.equal(verdict(pki.good, [], [twin, pki.root]), 'CN=good,O=mesh < O=root');
  assert.equal(verdict(pki.good, [], [twin]), `${VerifyError.Expired} at 1`);
});

test('who is no authority issues nothing', async () => {
  // Without key usage there is nothing but the missing CA:TRUE against it.
  const issuer = await make('noCa', { issuer: pki.root, usage: 0x04 });
  const leaf = await make('below', { issuer });
  assert.equal(verdict(leaf, [issuer], [pki.root]), `${VerifyError.InvalidCa} at 1`);
});

test('a peer cannot make the search expensive', async () => {
  // Authorities that all claim one name and key, in a circle.
  const subject = [['O', 'loop']] as const;
  const base = await make('loop', { ca: true, subject });
  const loops = await Promise.all(
    Array.from({ length: 15 }, (_, i) => make(`loop${i}`, { ca: true, subject, issuer: base, key: base.key })),
  );
  const leaf = await make('leaf', { issuer: base });
  // A search without bounds would not come back.
  assert.match(verdict(leaf, loops, [pki.root]), /^20 at \d+$/);
  assert.match(verdict(leaf, [...loops, base], [pki.root]), /^20 at \d+$/);
});

test('version 1 roots, which cannot say what they are', async (t) => {
  const dir = scratch(t);
  const file = (name: string, text: string) => {
    fs.writeFileSync(path.join(dir, name), text);
    return path.join(dir, name);
  };
  const key = file('key.pem', pki.root.keyPem);
  const request = file('request.pem', openssl(['req', '-new', '-key', key, '-subj', '/O=root']));
  const root = Certificate.fromDer(
    new X509Certificate(openssl(['x509', '-req', '-in', request, '-signkey', key, '-days', '9'])).raw,
  );
  assert.equal(root.extensions.size, 0);
  const rules = { now: Date.now(), purpose: undefined, maxDepth: 100, strict: true };
  const peer = { leaf: read(pki.good), others: [] };
  assert.equal(verifyChain(peer, { ...rules, anchors: [root] }).path?.length, 2);
  // In the middle of a path it would be anybody's.
  const above = await make('above', { ca: true, subject: [['O', 'above']] });
  const below = verifyChain({ leaf: read(pki.good), others: [root.x509] }, { ...rules, anchors: [read(above)] });
  assert.equal(below.problem?.error, VerifyError.UnableToGetIssuerLocally);
});
