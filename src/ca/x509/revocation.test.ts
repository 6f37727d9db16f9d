import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { makeIntermediate, makeLeaf, makeRoot } from '../offline/make.ts';
import { scratch } from '../openssl.test.ts';
import { RevocationLists } from './revocation.ts';

test('lists of openssl revoke by issuer and serial number', async (t) => {
  const dir = scratch(t);
  const at = (...parts: string[]) => path.join(dir, ...parts);
  const common = { keyType: 'ecdsa-p256' as const, ttlMs: 3_600_000, now: Date.now(), force: false };
  await makeRoot({ ...common, dir: at('root'), subject: [['O', 'root']] });
  const authority = at('root');
  await makeIntermediate({ ...common, dir: at('ca'), subject: [['O', 'ca']], authority, pathLength: 0 });
  const leaf = async (name: string) => {
    const options = { names: {}, server: true, client: true, layout: 'tls', authority: at('ca') } as const;
    return (await makeLeaf({ ...common, ...options, dir: at(name), subject: [['CN', name]] })).certificate;
  };
  const [one, two] = [await leaf('one'), await leaf('two')];
  const list = (serials: readonly string[], cert: string, key: string) => {
    const lines = serials.map((s) => `R\t400101000000Z\t250101000000Z\t${s.toUpperCase()}\tunknown\t/CN=x\n`);
    fs.writeFileSync(at('index.txt'), lines.join(''));
    const settings = `database = ${at('index.txt')}\ndefault_md = sha256\ndefault_crl_days = 1\n`;
    fs.writeFileSync(at('cnf'), `[ca]\ndefault_ca = list\n[list]\n${settings}`);
    const args = ['ca', '-config', at('cnf'), '-gencrl', '-cert', cert, '-keyfile', key];
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  };
  const even = (serial: string) => (serial.length % 2 === 0 ? serial : `0${serial}`);
  const ofCa = (...serials: string[]) => list(serials.map(even), at('ca', 'ca-cert.pem'), at('ca', 'ca-key.pem'));
  const ofRoot = (...serials: string[]) =>
    list(serials.map(even), at('root', 'root-cert.pem'), at('root', 'root-key.pem'));
  const verdicts = (pem: string) => {
    const lists = new RevocationLists(pem, 'ca-crl.pem');
    return [lists.has(one), lists.has(two)];
  };
  assert.deepEqual(verdicts(ofCa()), [false, false]);
  assert.deepEqual(verdicts(ofCa(one.serial)), [true, false]);
  assert.deepEqual(verdicts(ofCa(two.serial, one.serial)), [true, true]);
  assert.deepEqual(verdicts(ofRoot(one.serial)), [false, false], 'the list of another issuer');
  assert.deepEqual(verdicts(ofRoot() + ofCa(two.serial)), [false, true]);

  assert.throws(() => verdicts(one.pem), /UserError: ca-crl\.pem holds no certificate revocation list in PEM/);
  assert.throws(() => verdicts(''), UserError);
  assert.throws(
    () => verdicts('-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n'),
    /UserError: ca-crl\.pem holds a list that is not valid/,
  );
});
