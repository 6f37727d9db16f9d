import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAuthority, splitAuthority } from './authority.ts';

const ROWS: readonly (readonly [string, string, number | undefined])[] = [
  ['example.com', 'example.com', undefined],
  ['example.com:80', 'example.com', 80],
  ['10.0.0.1:8080', '10.0.0.1', 8080],
  ['[::1]', '::1', undefined],
  ['[::1]:443', '::1', 443],
  ['::1', '::1', undefined],
  ['example.com:', 'example.com:', undefined],
  ['example.com:http', 'example.com:http', undefined],
];

for (const [authority, host, port] of ROWS) {
  test(`${authority} is ${host} and ${port ?? 'no port'}`, () => {
    assert.deepEqual(splitAuthority(authority), { host, port });
  });
}

test('IPv6 stands in brackets', () => {
  assert.equal(formatAuthority('::1', 80), '[::1]:80');
  assert.equal(formatAuthority('a.test', 80), 'a.test:80');
});
