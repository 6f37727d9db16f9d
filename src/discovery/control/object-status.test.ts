import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStatus } from './object-status.ts';

const at = { file: 'f.yaml' };
const state = (kind: string, name = 'a') => ({
  ...{ key: `${kind}/n/${name}`, kind, raw: { kind }, creationTimestamp: 0, generation: 1, at },
});
const warnings = [
  { key: 'GatewayHost/n/a', field: 'spec.routes[0]', message: 'has no services', at },
  { key: 'GatewayHost/n/b', message: 'is served by nobody', at },
];

test('a GatewayHost says what is wrong with it', () => {
  const statusOf = (name: string) => withStatus(state('GatewayHost', name), warnings).raw.status;
  assert.deepEqual(statusOf('a'), { currentStatus: 'invalid', description: 'spec.routes[0] has no services' });
  assert.deepEqual(statusOf('b'), { currentStatus: 'invalid', description: 'is served by nobody' });
  assert.deepEqual(statusOf('c'), { currentStatus: 'valid', description: 'valid GatewayHost' });
});

test('other kinds are as they were written', () => {
  const service = state('Service');
  assert.equal(withStatus(service, warnings), service);
});
