import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closest, didYouMean, editDistance } from './suggest.ts';

test('distances count swaps of neighbours once', () => {
  assert.equal(editDistance('timeout', 'timeout'), 0);
  assert.equal(editDistance('tiemout', 'timeout'), 1);
  assert.equal(editDistance('timeot', 'timeout'), 1);
  assert.equal(editDistance('abc', ''), 3);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('the closest come first, what is far does not come', () => {
  assert.deepEqual(closest('VirtualServise', ['Service', 'VirtualService', 'Gateway']), ['VirtualService']);
  assert.deepEqual(closest('mesh_mtls', ['meshMTLS', 'meshId']), ['meshMTLS']);
  assert.deepEqual(closest('x', ['abc']), []);
  assert.equal(closest('aaa', ['aab', 'aac', 'aad', 'aae']).length, 3);
});

test('nothing is asked when nothing is close', () => {
  assert.equal(didYouMean([]), '');
  assert.equal(didYouMean(['a', 'b']), '; did you mean "a" or "b"?');
});
