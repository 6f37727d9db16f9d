import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64 } from './xxhash64.ts';

test('published values of XXH64 with seed 0', () => {
  assert.equal(xxhash64(''), 0xef46db3751d8e999n);
  assert.equal(xxhash64('a'), 0xd24ec4f1a98c6e5bn);
  assert.equal(xxhash64('abc'), 0x44bc2cf5ad770999n);
  assert.equal(xxhash64('message digest'), 0x066ed728fceeb3ben);
  assert.equal(xxhash64('abcdefghijklmnopqrstuvwxyz'), 0xcfe1f278fa89835cn);
  assert.equal(xxhash64('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'), 0xaaa46907d3047814n);
});
