import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { modeOf, opensslVerify, scratch } from '../ca/openssl.test.ts';

const MAIN = path.join(import.meta.dirname, 'main.ts');

function isthmus(cwd: string, ...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'ca', ...args], { cwd, encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

test('the way from nothing to a gateway, its client, and a virtual machine', (t) => {
  const dir = scratch(t);
  const run = (...args: string[]) => {
    const { code, out, err } = isthmus(dir, ...args);
    assert.deepEqual([code, err], [0, ''], args.join(' '));
    return out;
  };
  const text = (file: string) => fs.readFileSync(path.join(dir, file), 'utf8');
  assert.match(
    run('root'),
    /^Wrote certs\/root-key\.pem \(private key, mode 0600\)\nWrote certs\/root-cert\.pem\nValid until \d{4}-\d\d-\d\d \d\d:\d\d\n$/,
  );
  assert.match(
    run('intermediate', 'istio'),
    /\nNext:\n {2}kubectl create secret generic cacerts -n istio-system --from-file=certs\/istio\n$/,
  );
  assert.deepEqual(fs.readdirSync(path.join(dir, 'certs/istio')).sort(), [
    'ca-cert.pem',
    'ca-key.pem',
    'cert-chain.pem',
    'root-cert.pem',
  ]);
  run('intermediate', 'vms', '--key', 'rsa-2048', '--subject', '/O=Cargo Inc./CN=VMs');
  assert.match(
    run('issue', 'shop.example.com', '--dns', 'shop.example.com,www.example.com', '--ip', '127.0.0.1', '--days', '2'),
    /kubectl create secret tls shop\.example\.com -n istio-system --cert=certs\/shop\.example\.com\/tls\.crt --key=certs\/shop\.example\.com\/tls\.key\n$/,
  );
  run('issue', 'curl', '--client');
  run('issue', 'vm1', '--spiffe', 'spiffe://cluster.local/ns/vms/sa/vm1', '--ca', 'certs/vms');
  for (const key of ['root-key.pem', 'istio/ca-key.pem', 'shop.example.com/tls.key', 'curl/tls.key', 'vms/vm1/key.pem'])
    assert.equal(modeOf(path.join(dir, 'certs', key)), '600', key);

  const roots = text('certs/root-cert.pem');
  const server = ['-purpose', 'sslserver', '-verify_hostname'];
  const shop = text('certs/shop.example.com/tls.crt');
  for (const name of ['shop.example.com', 'www.example.com'])
    assert.equal(opensslVerify(shop, '', roots, ...server, name), 'OK');
  assert.equal(opensslVerify(text('certs/curl/tls.crt'), '', roots, '-purpose', 'sslclient'), 'OK');
  assert.notEqual(opensslVerify(text('certs/curl/tls.crt'), '', roots, '-purpose', 'sslserver'), 'OK');
  const vm = text('certs/vms/vm1/cert-chain.pem');
  assert.equal(opensslVerify(vm, vm, text('certs/vms/vm1/root-cert.pem'), '-purpose', 'sslclient'), 'OK');

  const table = run('inspect', 'certs', '--check').split('\n');
  assert.match(table[0], /^FILE +SUBJECT +ISSUER +NAMES +KEY +NOT BEFORE +NOT AFTER +LEFT +SHA256 +CHAIN$/);
  const line = table.find((l) => l.startsWith('certs/vms/vm1/cert-chain.pem#1'));
  assert.match(
    line ?? '',
    /#1 +- +O=Cargo Inc\., CN=VMs +URI:spiffe:\/\/cluster\.local\/ns\/vms\/sa\/vm1 +ECDSA P-256 .* 364d23h +[0-9a-f]{16} +OK, to O=Istio, CN=Root CA$/,
  );
  const json = JSON.parse(run('inspect', 'certs/shop.example.com', '-o', 'json'));
  const found = json.find((c: { file: string }) => c.file.endsWith('tls.crt'));
  assert.deepEqual(
    [found.names, found.verified, found.ca, found.chain],
    [
      ['DNS:shop.example.com', 'DNS:www.example.com', 'IP:127.0.0.1'],
      true,
      false,
      ['CN=shop.example.com', 'O=Istio, CN=Root CA'],
    ],
  );
  assert.ok(found.secondsLeft > 172_000 && found.secondsLeft <= 172_800);
});

test('mistakes are one sentence and an exit code', (t) => {
  const dir = scratch(t);
  // What cannot be read as a command line ends with 64, what cannot be done with 1.
  const table: [string[], RegExp, code?: number][] = [
    [['issue', 'x.example'], /^Error: The folder certs holds no authority; .*"isthmus ca root" makes one\.\n$/],
    [['root', '--subject', 'nonsense'], /^Error: The subject "nonsense" has a part "nonsense" that is not TYPE=VALUE/],
    [['root', '--key', 'dsa'], /^Error: invalid argument "dsa" for "--key" flag: Allowed choices are ecdsa-p256/, 64],
    [['root', '--days', 'x'], /^Error: invalid argument "x" for "--days" flag: It must be a number of days/, 64],
    [['intermediate', '../x'], /^Error: "\.\.\/x" cannot be the name of a folder/],
    [['issue', 'a b'], /^Error: "a b" is not a DNS name; give the certificate one with --dns/],
    [
      ['issue', 'x', '--spiffe', 'http://x'],
      /^Error: "http:\/\/x" is not a SPIFFE ID: it does not begin with spiffe:\/\/\.\n$/,
    ],
    [['inspect', 'nowhere'], /^Error: nowhere cannot be read/],
    [['inspect'], /^Error: missing required argument 'paths'/, 64],
  ];
  for (const [args, problem, expected = 1] of table) {
    const { code, err } = isthmus(dir, ...args);
    assert.equal(code, expected, args.join(' '));
    assert.match(err, problem, args.join(' '));
  }
  assert.equal(isthmus(dir, 'root').code, 0);
  assert.match(isthmus(dir, 'root').err, /^Error: certs\/root-key\.pem exists already; give --force to replace it/);
  assert.equal(isthmus(dir, 'root', '--force').code, 0);
  isthmus(dir, 'issue', 'x.example', '--dir', 'leaf');
  assert.deepEqual(
    [isthmus(dir, 'inspect', 'leaf/tls.crt').code, isthmus(dir, 'inspect', 'leaf/tls.crt', '--check').code],
    [0, 1],
  );
  assert.equal(isthmus(dir, 'inspect', 'leaf/tls.crt', '--roots', 'leaf/ca.crt', '--check').code, 0);
});

test('help has examples, for every command', (t) => {
  const dir = scratch(t);
  for (const command of [[], ['root'], ['intermediate'], ['issue'], ['inspect']]) {
    const { code, out } = isthmus(dir, ...command, '--help');
    assert.equal(code, 0);
    assert.match(out, /\nExamples:\n.*isthmus ca /s, command.join());
  }
});
