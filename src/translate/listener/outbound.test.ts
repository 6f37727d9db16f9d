import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { translationFor } from '../../../test/interop/translation/isthmus.ts';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';

const service = (name: string, protocol: string, address = '') => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.example.com]
  resolution: STATIC
  ${address && `addresses: [${address}]`}
  ports: [{name: port, number: 9000, protocol: ${protocol}}]
  endpoints: [{address: 10.0.0.1}]
---`;

function warnings(config: string, mode: string): readonly string[] {
  const node = fromJson(NodeSchema, {
    id: 'sidecar~10.1.0.1~app.default~default.svc.cluster.local',
    metadata: { NAMESPACE: 'default', INTERCEPTION_MODE: mode },
  });
  return translationFor({ config: { 'mesh.yaml': config }, mesh: {} }, node).warnings!();
}

test('services that share a port of a sidecar without interception are named', () => {
  const two = service('a', 'TCP', '10.9.0.1') + service('b', 'TCP', '10.9.0.2');
  assert.deepEqual(warnings(two, 'NONE'), [
    '127.0.0.1_9000 leads to a.example.com only: b.example.com cannot be told apart from it there; give one of them another port',
  ]);
  assert.deepEqual(warnings(two, 'REDIRECT'), []);
});

test('services that can be told apart by what they carry are not', () => {
  assert.deepEqual(warnings(service('a', 'HTTP') + service('b', 'HTTP'), 'NONE'), []);
  assert.deepEqual(warnings(service('a', 'TCP') + service('b', 'HTTP'), 'NONE'), []);
});

test('a server that speaks first cannot share its port', () => {
  assert.equal(warnings(service('a', 'MySQL') + service('b', 'TCP'), 'NONE').length, 1);
});
