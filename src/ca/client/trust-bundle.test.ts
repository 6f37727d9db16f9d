import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { buildRoot } from '../authority/self-signed.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { formatPem } from '../x509/pem.ts';
import { TrustBundle } from './trust-bundle.ts';

const [A, B, C] = await Promise.all(
  ['a', 'b', 'c'].map(async (name) => {
    const key = await generatePrivateKey('ecdsa-p256');
    return formatPem('CERTIFICATE', await buildRoot(key, [['CN', name]], 0, Date.UTC(2040, 0, 1)));
  }),
);

function bundleOf(...given: string[]): TrustBundle {
  const bundle = new TrustBundle();
  bundle.replace(given.join(''), 0);
  return bundle;
}

test('what the authority no longer gives stays for a while', () => {
  const bundle = bundleOf(A);
  bundle.replace(B, 10);
  assert.deepEqual([bundle.at(9), bundle.nextChange, bundle.at(10), bundle.nextChange], [B + A, 10, B, Infinity]);
});

test('a published bundle adds, and what it leaves out goes at once', () => {
  const bundle = bundleOf(A);
  assert.equal(bundle.publish(A + B, A, 10), true);
  assert.equal(bundle.at(0), A + B);
  assert.equal(bundle.publish(B, B, 10), true);
  assert.equal(bundle.at(0), B);
});

test('the root that our certificate stands under is not taken away from us', () => {
  const bundle = bundleOf(A, B);
  bundle.publish(B, A, 10);
  assert.deepEqual([bundle.at(9), bundle.at(10)], [B + A, B]);
});

test('a bundle that shares nothing with the authority is of another mesh', () => {
  const bundle = bundleOf(A);
  assert.equal(bundle.publish(B + C, A, 10), false);
  assert.equal(bundle.at(0), A);
  assert.equal(new TrustBundle().publish(A, undefined, 10), false, 'nor does one count before the authority has told');
});

test('what is no bundle changes nothing', () => {
  const bundle = bundleOf(A);
  assert.throws(() => bundle.publish('nonsense', A, 10), UserError);
  assert.equal(bundle.at(0), A);
});
