import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { TestPki } from '../../../test/support/pki.ts';
import { scratch } from '../../../test/support/reference.ts';
import { inventory } from './inventory.ts';
import { readCertificates, usedSecrets } from './secrets.ts';
import { type Finding, servedOf } from './survey.ts';

const HOUR = 3_600_000;
const ID = 'spiffe://cluster.local/ns/a/sa/b';
const inline = (pem: string) => ({ inline_bytes: Buffer.from(pem).toString('base64') });

test('certificates are listed once, with who presents and trusts them, and what is wrong', async (t) => {
  const pki = await TestPki.make(path.join(scratch(t), 'pki'));
  const [own, shop] = [await pki.issue({ uris: [ID] }), await pki.issue({ dnsNames: ['shop.example'] })];
  const dump = {
    configs: [
      { name: 'default', secret: { tls_certificate: { certificate_chain: inline(own.cert) } } },
      { name: 'ROOTCA', secret: { validation_context: { trusted_ca: inline(pki.roots) } } },
      { name: 'kubernetes://shop', secret: { tls_certificate: { certificate_chain: { inline_string: shop.cert } } } },
      { name: 'file', secret: { tls_certificate: { certificate_chain: { filename: '/x' } } } },
      { name: 'broken', secret: { validation_context: { trusted_ca: inline('nonsense') } } },
      {},
    ],
  };
  const secrets = usedSecrets(dump);
  assert.deepEqual(
    secrets.map(({ name, use, certificates }) => [name, use, certificates.length]),
    [
      ['default', 'presents', 2],
      ['ROOTCA', 'trusts', 1],
      ['kubernetes://shop', 'presents', 2],
    ],
  );
  const now = Date.now();
  const iso = (ms: number) => new Date(ms).toISOString();
  const renewal = { lastRenewal: iso(now - HOUR), renewalDue: iso(now + HOUR) };
  const finding: Finding = { workload: 'b.a', secrets, renewal };
  const other: Finding = { workload: 'c.a', secrets: secrets.slice(1, 2), renewal: { overdue: 'no matter: no leaf' } };
  const authority = readCertificates(pki.intermediate + pki.roots);
  const list = (at: number, ...findings: Finding[]) =>
    inventory(findings, authority, at).map((e) => [e.kind, e.name, e.workloads.join(), e.problem ?? 'ok']);
  assert.deepEqual(list(now, other, finding), [
    ['leaf', 'O=leaf0', 'b.a', 'ok'],
    ['leaf', 'O=leaf1', 'b.a', 'ok'],
    ['issuer', 'O=ca', 'b.a', 'ok'],
    ['root', 'O=root', 'b.a,c.a', 'ok'],
  ]);
  const [leaf] = inventory([finding], authority, now);
  assert.deepEqual([leaf!.lastRenewal, leaf!.renewalDue, leaf!.key], [now - HOUR, now + HOUR, 'ECDSA P-256']);
  const late = { ...finding, renewal: { ...renewal, overdue: 'renewal fails: no answer' } };
  assert.deepEqual(list(now, late).map(([, name, , problem]) => [name, problem])[0], [
    'O=leaf0',
    'renewal fails: no answer',
  ]);
  // A tenth of an hour is left.
  assert.deepEqual(
    list(now + 0.95 * HOUR, finding).map(([, , , problem]) => problem),
    ['ok', ...Array(3).fill('it should be replaced before it expires')],
  );
  assert.deepEqual(
    list(now + 2 * HOUR, finding).map(([, , , problem]) => problem),
    Array(4).fill('it has expired'),
  );

  const { leaf: served, trusted } = servedOf(finding);
  assert.deepEqual([served?.displayName, trusted], ['O=leaf0', [readCertificates(pki.roots)[0]!.fingerprint]]);
  const [chain, roots] = [readCertificates(shop.cert), readCertificates(pki.roots)];
  const { files } = servedOf({ ...finding, output: { chain, roots, problem: 'full' } });
  assert.deepEqual([files?.leaf?.displayName, files?.trusted, files?.problem], ['O=leaf1', trusted, 'full']);
  assert.deepEqual(servedOf({ workload: 'x', problem: 'no answer', secrets }), { workload: 'x', problem: 'no answer' });
});
