import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, canonicalPrefix, isGlobalUnicast, isIp, isIpv4, isIpv6, parsePrefix } from './address.ts';

test('addresses are told from names', () => {
  for (const text of ['0.0.0.0', '127.0.0.1', '10.1.2.30']) assert.equal(isIpv4(text), true, text);
  for (const text of ['', 'a', '10.0.0', '10.0.0.256', '010.0.0.1', 'host1', 'v1.example.com', '10.0.0.1 ', '::1']) {
    assert.equal(isIpv4(text), false, text);
  }
  for (const text of ['::', '::1', 'fd00::1', '2001:db8::1']) assert.equal(isIpv6(text), true, text);
  for (const text of ['fe80::1%eth0', '10.0.0.1', 'a:b', '']) assert.equal(isIpv6(text), false, text);
  assert.equal(isIp('reviews.default.svc.cluster.local'), false);
});

test('others can reach global addresses, private ones among them', () => {
  for (const text of ['10.0.0.1', '192.168.1.1', '8.8.8.8', 'fd00::1']) assert.equal(isGlobalUnicast(text), true, text);
  for (const text of ['127.64.0.2', '0.0.0.0', '169.254.1.1', '224.0.0.1', '::1', 'fe80::1']) {
    assert.equal(isGlobalUnicast(text), false, text);
  }
});

test('prefixes have a length that their family allows', () => {
  assert.deepEqual(parsePrefix('10.0.0.0/8'), { address: '10.0.0.0', length: 8 });
  assert.deepEqual(parsePrefix('10.0.0.1'), { address: '10.0.0.1', length: 32 });
  assert.deepEqual(parsePrefix('fd00::/64'), { address: 'fd00::', length: 64 });
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', 'a/8', '::/129']) {
    assert.equal(parsePrefix(text), undefined, text);
  }
});

test('spellings of one address are equal', () => {
  assert.equal(canonicalAddress('2001:DB8:0:0::1'), '2001:db8::1');
  assert.equal(canonicalAddress('a.example.com'), 'a.example.com');
  assert.equal(canonicalPrefix({ address: '10.1.2.3', length: 8 }), '10.0.0.0/8');
});
