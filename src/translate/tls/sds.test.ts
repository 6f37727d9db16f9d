import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialSecret } from './sds.ts';

test('a credential of the socket is a Secret where there is no socket', () => {
  const named = (name: string, socketExists: boolean) => credentialSecret(name, socketExists).name;
  assert.equal(named('sds://x', true), 'sds://x');
  assert.equal(named('sds://x', false), 'kubernetes://x');
  assert.equal(named('x', true), 'kubernetes://x');
  assert.equal(named('configmap://x-cacert', false), 'configmap://x-cacert');
  assert.equal(named('builtin://', false), 'default');
});
