import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentEnvironment } from '../environment/environment.ts';
import { proxyAddresses } from './addresses.ts';

const of = (instanceIps: readonly string[], dualStack = false, address?: string) => {
  const { localhost, wildcard, otherWildcard, lookupFamily } = proxyAddresses({
    instanceIps,
    dualStack,
    address,
  } as AgentEnvironment);
  return [localhost, wildcard, otherWildcard, lookupFamily];
};

const V4 = ['127.0.0.1', '0.0.0.0', undefined, 'V4_ONLY'];

test('a proxy listens on the families of its pod', () => {
  assert.deepEqual(of(['10.0.0.1']), V4);
  assert.deepEqual(of(['fd00::1', 'fd00::2']), ['::1', '::', undefined, 'V6_ONLY']);
  assert.deepEqual(of(['fd00::1'], true), ['::1', '::', undefined, 'V6_ONLY']);
});

test('on both only where dual stack is on, the first address first', () => {
  assert.deepEqual(of(['10.0.0.1', 'fd00::1']), V4);
  assert.deepEqual(of(['fd00::1', '10.0.0.1']), V4);
  assert.deepEqual(of(['10.0.0.1', 'fd00::1'], true), ['127.0.0.1', '0.0.0.0', '::', 'ALL']);
  assert.deepEqual(of(['fd00::1', '10.0.0.1'], true), ['::1', '::', '0.0.0.0', 'ALL']);
  assert.deepEqual(of(['10.0.0.1', 'fd00::1'], true, '127.0.0.5'), ['127.0.0.5', '127.0.0.5', undefined, 'ALL']);
});
