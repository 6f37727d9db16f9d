import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalIpv6, cidrSet, maskAddress, parseCidr } from './cidr.ts';

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

test('the canonical form of an address of IPv6', () => {
  for (const [text, canonical] of [
    ['2001:DB8:0:0:0:0:0:5', '2001:db8::5'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::FFFF:102:304', '::ffff:1.2.3.4'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ] as const)
    assert.equal(canonicalIpv6(text), canonical);
  assert.throws(() => canonicalIpv6('1.2.3.4'));
});
