import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '../../base/log.ts';
import { FileWatcher } from '../file-watcher.ts';
import { TimerWheel } from '../timers.ts';
import { until } from './harness.test.ts';
import { describeTlsError, notTlsReason, transportFailureReason } from './openssl-errors.ts';
import { pemBlocks } from './pem.ts';
import { testPki } from './pki.test.ts';
import { SessionCache } from './session-cache.ts';
import { TrustBundles } from './trust.ts';

const pki = await testPki();

test('sessions: a bounded number of keys, and of sessions for each', () => {
  const cache = new SessionCache(2);
  const peer = { leaf: undefined as never, others: [] };
  const session = (text: string) => ({ session: Buffer.from(text), peer });
  const take = (key: string) => cache.take(key)?.session.toString();
  for (const text of ['1', '2', '3']) cache.put('1 a', session(text), 2);
  cache.put('1 b', session('4'), 1);
  cache.put('2 c', session('5'), 1);
  assert.equal(take('1 a'), undefined);
  assert.equal(take('1 b'), '4');
  assert.equal(take('1 b'), undefined);
  for (const text of ['1', '2', '3']) cache.put('1 a', session(text), 2);
  assert.deepEqual([take('1 a'), take('1 a'), take('1 a')], ['3', '2', undefined]);
  cache.put('1 a', session('6'), 1);
  cache.put('2 a', session('7'), 0);
  assert.deepEqual([take('1 a'), take('1 a'), take('2 a')], ['6', undefined, undefined]);
});

test('PEM: text between blocks is skipped, damage is not', () => {
  const { ownPem, keyPem } = pki.good;
  const labels = (text: string) => pemBlocks(text).map((block) => block.label);
  assert.deepEqual(labels(`# a comment\n${ownPem}Subject: x\n${ownPem.replaceAll('\n', '\r\n')}${keyPem}`), [
    'CERTIFICATE',
    'CERTIFICATE',
    'PRIVATE KEY',
  ]);
  assert.deepEqual(labels('nothing'), []);
  assert.deepEqual(pemBlocks(ownPem)[0].der, pki.good.der);
  for (const damaged of [ownPem.slice(0, -20), ownPem.replace('-----END', '----END'), `${ownPem}-----BEGIN `]) {
    assert.throws(() => pemBlocks(damaged), /damaged/);
  }
  const encrypted =
    '-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n-----END EC PRIVATE KEY-----\n';
  assert.deepEqual(pemBlocks(encrypted)[0].der, Buffer.alloc(3));
});

test('trust bundles of one text are one, a bounded number of them', () => {
  const bundles = new TrustBundles(2);
  const load = (pem: string, origin = '<inline>') => bundles.load(Buffer.from(pem), origin);
  const root = load(pki.root.pem);
  assert.equal(load(pki.root.pem), root);
  assert.equal(load(pki.root.pem, '/etc/ca.pem').digest, root.digest);
  assert.equal(load(`${pki.root.pem}\n# more`).digest, root.digest);
  assert.notEqual(load(pki.root.pem), root);
  assert.deepEqual(
    load(pki.root.pem + pki.other.pem).certificates.map((c) => c.subject),
    ['O=root', 'O=other'],
  );
  for (const bad of ['', pki.good.keyPem, pki.root.pem.replace(/M/g, 'N')]) {
    assert.throws(() => load(bad), /^Error: Failed to load trusted CA certificates from <inline>: /);
  }
});

test("errors of OpenSSL's in BoringSSL's words", () => {
  const error = (code: string, message = 'x', reason?: string) => Object.assign(new Error(message), { code, reason });
  const table: [Error, string][] = [
    [error('ERR_SSL_WRONG_VERSION_NUMBER'), '|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER'],
    [error('ERR_SSL_NO_SUITABLE_KEY_SHARE'), '|268435722:SSL routines:OPENSSL_internal:NO_SHARED_GROUP'],
    [error('ERR_SSL_SOMETHING_NEW'), '|268435456:SSL routines:OPENSSL_internal:SOMETHING_NEW'],
    [
      error('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', '...:SSL alert number 116'),
      '|268436572:SSL routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED',
    ],
    [error('ERR_SSL_X', '...:SSL alert number 200'), '|268436656:SSL routines:OPENSSL_internal:UNKNOWN_ALERT_TYPE'],
  ];
  for (const [what, expected] of table)
    assert.equal(transportFailureReason(what), `TLS_error:${expected}:TLS_error_end`);
  assert.equal(transportFailureReason(error('ECONNRESET')), '');
  assert.equal(transportFailureReason(new Error('x')), '');
  assert.equal(
    describeTlsError(error('ERR_SSL_X', '...:SSL alert number 48')),
    'the peer ended the handshake with the alert unknown_ca',
  );
  assert.equal(describeTlsError(error('ERR_SSL_X', 'long', 'no shared cipher')), 'no shared cipher');
  assert.equal(describeTlsError(new Error('plain')), 'plain');
});

test('clients that speak something else', () => {
  const reason = (text: string, inspected: boolean) => notTlsReason(Buffer.from(text), inspected);
  const plain = (what: string) => `TLS_error:|${what}:TLS_error_end`;
  assert.equal(reason('GET / HTTP/1.1', false), plain('268435612:SSL routines:OPENSSL_internal:HTTP_REQUEST'));
  assert.equal(
    reason('CONNECT a:1 HTTP/1.1', false),
    plain('268435611:SSL routines:OPENSSL_internal:HTTPS_PROXY_REQUEST'),
  );
  assert.equal(reason('SSH', false), plain('268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER'));
  assert.equal(
    reason('GET /', true),
    'TLS_error|error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end',
  );
});

test('a folder that is not there is looked for again, and complained of once', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-watch-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message: string, _?: LogFields) => warnings.push(message) };
  let now = 0;
  const pending: (() => void)[] = [];
  const clock = {
    now: () => now,
    set: (_: number, callback: () => void) => pending.push(callback),
    clear: () => {},
  };
  const turn = (ms: number) => {
    now += ms;
    for (const callback of pending.splice(0)) callback();
  };
  const watcher = new FileWatcher(new TimerWheel((work) => work(), clock), log);
  t.after(() => watcher.close());
  const missing = path.join(dir, 'later');
  let changes = 0;
  const end = watcher.watch(missing, () => changes++);
  watcher.watch(missing, () => changes++);
  turn(11_000);
  turn(11_000);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /cannot watch .*later/);
  fs.mkdirSync(missing);
  turn(11_000);
  turn(100);
  const before = changes;
  assert.ok(before >= 2);
  fs.writeFileSync(path.join(missing, 'x'), 'y');
  await until(() => pending.length > 0);
  turn(100);
  assert.equal(changes, before + 2);
  end();
  end();
});
