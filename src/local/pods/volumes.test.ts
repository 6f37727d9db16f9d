import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../../test/support/object-view.ts';
import type { Volume } from '../../config/kinds/shared/pod-spec.ts';
import { valuesOf } from '../object-values.ts';
import { desiredPods } from './desired-pod.ts';
import { MissingObject } from './environment.ts';
import { volumeContent } from './volumes.ts';

const view = viewOf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {a.conf: A, b.conf: B}
binaryData: {c.bin: AAE=}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
data: {tls.key: a2V5}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: a, command: [node]}]}
`);
const facts = { pod: desiredPods(view)[0]!, uid: 'u', podIp: '127.64.0.1', serviceAccount: 'default' };
const content = (volume: Omit<Volume, 'name'>) =>
  volumeContent({ name: 'v', ...volume } as Volume, facts, valuesOf(view, 'shop'));
const filesOf = (volume: Omit<Volume, 'name'>) => {
  const made = content(volume);
  assert.equal(made.kind, 'files');
  return made.kind === 'files'
    ? Object.fromEntries([...made.files].map(([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')]))
    : {};
};

test('volumes of objects hold all of their keys, or those that are chosen', () => {
  assert.deepEqual(filesOf({ configMap: { name: 'settings' } }), { 'a.conf': 'A', 'b.conf': 'B', 'c.bin': '\0\x01' });
  assert.deepEqual(filesOf({ configMap: { name: 'settings', items: [{ key: 'a.conf', path: 'sub/x' }] } }), {
    'sub/x': 'A',
  });
  assert.deepEqual(filesOf({ secret: { secretName: 'keys' } }), { 'tls.key': 'key' });
  assert.deepEqual(filesOf({ secret: { secretName: 'no', optional: true } }), {});
  assert.deepEqual(
    filesOf({ downwardAPI: { items: [{ path: 'app', fieldRef: { fieldPath: "metadata.labels['app']" } }] } }),
    { app: 'web' },
  );
});

test('a projected volume holds what its sources hold, and asks for tokens', () => {
  const made = content({
    projected: {
      sources: [
        { secret: { name: 'keys' } },
        { configMap: { name: 'settings', items: [{ key: 'b.conf', path: 'b' }] } },
        { serviceAccountToken: { path: 'istio-token', audience: 'istio-ca', expirationSeconds: 43_200 } },
        { serviceAccountToken: { path: 'plain' } },
      ],
    },
  });
  assert.ok(made.kind === 'files');
  assert.deepEqual([...made.files.keys()], ['tls.key', 'b']);
  assert.deepEqual(made.tokens, [
    { path: 'istio-token', audience: 'istio-ca', expirationSeconds: 43_200 },
    { path: 'plain', audience: '', expirationSeconds: 3607 },
  ]);
});

test('volumes that are folders', () => {
  assert.deepEqual(content({ emptyDir: {} }), { kind: 'empty' });
  assert.deepEqual(content({ hostPath: { path: '/srv' } }), { kind: 'host', path: '/srv' });
  assert.deepEqual(content({ persistentVolumeClaim: { claimName: 'data' } } as Omit<Volume, 'name'>), {
    kind: 'claim',
    name: 'data',
  });
});

test('what cannot be mounted is said', () => {
  const refused = (volume: Omit<Volume, 'name'>, message: string) =>
    assert.throws(() => content(volume), new MissingObject(message));
  refused({ secret: { secretName: 'no' } }, 'secret "no" not found');
  refused({ configMap: { name: 'settings', items: [{ key: 'z', path: 'z' }] } }, 'configmap "settings" has no key z');
  refused(
    { configMap: { name: 'settings', items: [{ key: 'a.conf', path: '../a' }] } },
    '../a is not a path inside of a volume',
  );
  refused(
    { persistentVolumeClaim: { claimName: '../x' } } as Omit<Volume, 'name'>,
    'persistentVolumeClaim.claimName is not the name of a claim',
  );
  refused(
    { nfs: { server: 'a' } } as Omit<Volume, 'name'>,
    'volume "v" is of kind nfs, which there is not on one machine',
  );
});
