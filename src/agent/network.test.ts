import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentEnvironment } from './environment/environment.ts';
import { AgentNetwork } from './network.ts';

const POD = {
  pod: '127.64.0.3',
  program: '127.128.0.3',
  sidecar: '127.192.0.3',
  podPrefix: '127.64.',
  privileged: false,
  publish: undefined,
};

const network = (podNetwork?: typeof POD) =>
  new AgentNetwork({ podNetwork, instanceIp: podNetwork?.pod ?? '10.0.0.7', probeLocalhost: true } as AgentEnvironment);

test('who counts as the pod itself', () => {
  const table: readonly (readonly [string, boolean, boolean])[] = [
    ['127.0.0.1', true, true],
    ['::ffff:127.0.0.1', true, true],
    ['::1', true, false],
    ['127.0.0.9', true, false],
    ['127.64.0.3', true, true],
    ['127.128.0.3', true, true],
    ['127.192.0.3', true, true],
    ['127.64.0.4', true, false],
    ['10.0.0.8', false, false],
  ];
  for (const [address, alone, shared] of table) {
    assert.equal(network().isOwn(address), alone, `${address} on a machine of its own`);
    assert.equal(network(POD).isOwn(address), shared, `${address} on a shared loopback`);
  }
});

test('programs and the status server are found where the pod is', () => {
  assert.deepEqual(network().program(80), { host: '127.0.0.1', port: 80 });
  assert.deepEqual(network(POD).program(80), { host: '127.128.0.3', port: 10_080 });
  assert.deepEqual(network(POD).localhost(15_000), { host: '127.192.0.3', port: 15_000 });
  assert.deepEqual(network().statusAddresses(15_020), [{ host: '0.0.0.0', port: 15_020 }]);
  assert.deepEqual(network(POD).statusAddresses(15_020), [
    { host: '127.64.0.3', port: 15_020 },
    { host: '127.192.0.3', port: 15_020 },
  ]);
});
