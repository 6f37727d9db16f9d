import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cidrSet, maskAddress, parseCidr } from './cidr.ts';

test('addresses and ranges of both families', () => {
  const set = cidrSet([parseCidr('10.0.0.0/8')!, parseCidr('192.168.1.7')!, parseCidr('fd00::/8')!]);
  for (const inside of ['10.1.2.3', '192.168.1.7', '::ffff:10.1.2.3', 'fd12::1'])
    assert.ok(set.contains(inside), inside);
  for (const outside of ['11.0.0.1', '192.168.1.8', 'fe80::1', 'not an address', ''])
    assert.ok(!set.contains(outside), outside);
  assert.ok(cidrSet([]).empty);
});

test('what is no range', () => {
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0/8/1', 'x', 'fd00::/129', '10.0.0.0/-1', '10.0.0.0/a']) {
    assert.equal(parseCidr(text), undefined, text);
  }
  assert.throws(() => cidrSet([{ address: '10.0.0.1', length: 40 }]), /not an address range/);
});

test('the leading bits of an address', () => {
  const table: [string, number, string | undefined][] = [
    ['10.1.2.3', 32, '10.1.2.3'],
    ['10.1.2.3', 20, '10.1.0.0'],
    ['10.1.2.3', 0, '0.0.0.0'],
    ['fd12:0:0::ab', 128, 'fd12::ab'],
    ['fd12:3456::ab', 24, 'fd12:3400::'],
    ['a path', 8, undefined],
  ];
  for (const [address, length, want] of table) assert.equal(maskAddress(address, length), want);
});
