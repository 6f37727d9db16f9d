import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch, until } from '../../../test/support/reference.ts';
import { silentLogger } from '../../base/log.ts';
import { PUBLISHED_REVOCATIONS, PUBLISHED_ROOTS, PublishedTrust } from './published.ts';

const CRL = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n';

test('roots and revocation lists are followed through links', async (t) => {
  const dir = scratch(t);
  const [pod, authority] = [path.join(dir, 'pod'), path.join(dir, 'authority')];
  fs.mkdirSync(authority);
  const place = (file: string, name: string) => {
    const link = path.join(pod, file);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(authority, name), link);
  };
  place(PUBLISHED_ROOTS, 'root-cert.pem');
  place(PUBLISHED_REVOCATIONS, 'ca-crl.pem');
  const write = (name: string, text: string) => {
    fs.writeFileSync(path.join(authority, `${name}.new`), text);
    fs.renameSync(path.join(authority, `${name}.new`), path.join(authority, name));
  };
  write('root-cert.pem', 'one');
  write('ca-crl.pem', CRL);
  const seen: string[] = [];
  const warnings: string[] = [];
  const trust = new PublishedTrust({
    resolve: (file) => path.join(pod, file),
    onRoots: (pem) => seen.push(pem),
    onRevocations: (crl) => seen.push(crl ?? 'no list'),
    log: { ...silentLogger, warn: (message: string) => warnings.push(message) },
    pollMs: 50,
  });
  t.after(() => trust.close());
  const next = (what: string) => until(what, () => seen.shift());
  assert.equal(await next('the list that is there'), CRL);
  write('root-cert.pem', 'two');
  assert.equal(await next('the new roots'), 'two');
  write('ca-crl.pem', 'nonsense');
  await until('it is refused', () => warnings.length > 0 || undefined);
  assert.match(warnings[0]!, /ca-crl\.pem holds no certificate revocation list in PEM/);
  fs.rmSync(path.join(authority, 'ca-crl.pem'));
  assert.equal(await next('that there is none any more'), 'no list');
  fs.rmSync(path.join(authority, 'root-cert.pem'));
  write('root-cert.pem', 'three');
  assert.equal(await next('the newest roots'), 'three');
  assert.deepEqual(seen, []);
});
