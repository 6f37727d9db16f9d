import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/support/object-view.ts';
import { desiredPods } from './pods/desired-pod.ts';
import { servedPorts } from './served-ports.ts';

const service = (name: string, spec: string) => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: ${spec}
`;

test('ports that containers declare, and those to which Services lead', () => {
  const view = viewOf(`
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, image: a, command: [node], ports: [{containerPort: 8080, name: http}]}]}
${service('one', '{selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: tcp, port: 7000}, {name: dns, port: 53, protocol: UDP}]}')}
${service('two', '{selector: {app: web}, ports: [{name: http, port: 81, targetPort: 9000}, {name: tcp, port: 82, targetPort: 7000}]}')}
${service('unknown', '{selector: {app: web}, ports: [{port: 83, targetPort: nobody}]}')}
${service('other', '{selector: {app: other}, ports: [{port: 84}]}')}
${service('none', '{ports: [{port: 85}]}')}
`);
  const [pod] = desiredPods(view);
  assert.deepEqual(servedPorts(pod!, view.list('Service')), [8080, 7000, 9000]);
});
