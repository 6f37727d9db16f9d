import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../../test/support/object-view.ts';
import type { Container } from '../../config/kinds/shared/pod-spec.ts';
import { valuesOf } from '../object-values.ts';
import { desiredPods } from './desired-pod.ts';
import { containerEnvironment, expand, fieldOf, lines, MissingObject, type PodFacts } from './environment.ts';

const view = viewOf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {COLOUR: red, SIZE: "7"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
stringData: {token: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, b: "2"}, annotations: {note: 'say "hi"'}}
spec: {containers: [{name: web, image: a, command: [node]}]}
`);
const values = valuesOf(view, 'shop');
const facts: PodFacts = {
  pod: desiredPods(view)[0]!,
  uid: '0000-1',
  podIp: '127.64.0.1',
  serviceAccount: 'web',
};
const environment = (container: Partial<Container>, base = {}) =>
  containerEnvironment({ name: 'c', ...container }, base, facts, values);

test('variables come from where the container says', () => {
  const table: readonly (readonly [Partial<Container>, Record<string, string>])[] = [
    [{ env: [{ name: 'A', value: '1' }] }, { A: '1' }],
    [{ env: [{ name: 'A' }] }, { A: '' }],
    [{ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }, { A: 'web' }],
    [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'SIZE' } } }] }, { A: '7' }],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } }] }, { A: 's3cret' }],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'no', key: 'token', optional: true } } }] }, {}],
    [{ envFrom: [{ configMapRef: { name: 'settings' } }] }, { COLOUR: 'red', SIZE: '7' }],
    [{ envFrom: [{ prefix: 'K_', secretRef: { name: 'keys' } }] }, { K_token: 's3cret' }],
    [{ envFrom: [{ secretRef: { name: 'no', optional: true } }] }, {}],
    [
      {
        env: [
          { name: 'A', value: 'x' },
          { name: 'B', value: '$(A)/$(C)/$$(A)' },
        ],
      },
      { A: 'x', B: 'x/$(C)/$(A)' },
    ],
  ];
  for (const [container, expected] of table) assert.deepEqual(environment(container), expected);
});

test('what the container says comes over what every program of the pod has', () => {
  assert.deepEqual(environment({ env: [{ name: 'HOST', value: 'own' }] }, { HOST: 'a', PORT: '1' }), {
    HOST: 'own',
    PORT: '1',
  });
});

test('an object that is needed and not there is named as Kubernetes names it', () => {
  const missing = (container: Partial<Container>, message: string) =>
    assert.throws(() => environment(container), new MissingObject(message));
  missing({ envFrom: [{ configMapRef: { name: 'no' } }] }, 'configmap "no" not found');
  missing({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'no', key: 'k' } } }] }, 'secret "no" not found');
  missing(
    { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } }] },
    'couldn\'t find key k in secret "keys"',
  );
});

test('fields of the downward API', () => {
  const table: readonly (readonly [string, string])[] = [
    ['metadata.namespace', 'shop'],
    ['metadata.uid', '0000-1'],
    ['metadata.labels', 'app="web"\nb="2"'],
    ["metadata.labels['app']", 'web'],
    ["metadata.annotations['note']", 'say "hi"'],
    ["metadata.labels['none']", ''],
    ['spec.serviceAccountName', 'web'],
    ['status.podIP', '127.64.0.1'],
    ['status.hostIP', '127.0.0.1'],
  ];
  for (const [path, expected] of table) assert.equal(fieldOf(path, facts), expected, path);
  assert.throws(() => fieldOf('status.phase', facts), new MissingObject('a pod has no field status.phase'));
  assert.equal(lines({ b: '1', a: 'x\n' }), 'a="x\\n"\nb="1"');
});

test('names in $() are replaced once, and only those that are there', () => {
  const env = { A: '$(B)', B: 'b' };
  assert.equal(expand('$(A) $(B) $(constructor) $$ $', env), '$(B) b $(constructor) $ $');
});
