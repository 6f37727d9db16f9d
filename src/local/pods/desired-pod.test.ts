import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../../test/support/object-view.ts';
import { desiredPods } from './desired-pod.ts';

const template = (image = 'a') => `
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {note: x}}
    spec: {containers: [{name: web, image: ${image}, command: [node]}]}`;

const workload = (kind: string, extra = '', image = 'a') => `
apiVersion: ${kind === 'Job' ? 'batch/v1' : 'apps/v1'}
kind: ${kind}
metadata: {name: web, namespace: shop}
spec:${extra}${template(image)}
`;

test('a deployment has as many pods as replicas, named and labelled by what is in its template', () => {
  const pods = desiredPods(viewOf(workload('Deployment', '\n  replicas: 2')));
  assert.equal(pods.length, 2);
  const [a, b] = pods;
  assert.match(a!.name, /^web-([bcdfghjklmnpqrstvwxz2456789]{10})-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.notEqual(a!.name, b!.name);
  assert.deepEqual(a!.labels, { app: 'web', 'pod-template-hash': a!.hash });
  assert.deepEqual(a!.annotations, { note: 'x' });
  assert.deepEqual(a!.owner, { kind: 'Deployment', name: 'web' });
});

test('another template gives other pods; the same one gives the same, whatever the number', () => {
  const names = (text: string) => desiredPods(viewOf(text)).map((p) => p.name);
  assert.deepEqual(names(workload('Deployment')), names(workload('Deployment', '\n  replicas: 2')).slice(0, 1));
  assert.notDeepEqual(names(workload('Deployment')), names(workload('Deployment', '', 'b')));
  assert.deepEqual(names(workload('Deployment', '\n  replicas: 0')), []);
});

test('a workload that is restarted has other pods; those of a Deployment overlap, unless it says otherwise', () => {
  const names = (kind: string, at?: string) =>
    desiredPods(viewOf(workload(kind)), (...of) => {
      assert.deepEqual(of, [kind, 'shop', 'web']);
      return at;
    }).map(({ name, hash, overlaps, annotations }) => ({ name, hash, overlaps, annotations }));
  const [before, after] = [names('Deployment')[0]!, names('Deployment', '2026-01-01T00:00:00Z')[0]!];
  assert.notEqual(after.name, before.name);
  assert.deepEqual(after.annotations, { note: 'x', 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' });
  assert.equal(after.overlaps, true);
  const [set, renewed] = [names('StatefulSet')[0]!, names('StatefulSet', '2026-01-01T00:00:00Z')[0]!];
  assert.deepEqual([renewed.name, renewed.overlaps], [set.name, false]);
  assert.notEqual(renewed.hash, set.hash);
  const [single] = desiredPods(viewOf(workload('Deployment', '\n  strategy: {type: Recreate}')));
  assert.equal(single!.overlaps, false);
});

test('a stateful set counts its pods, which know their number and subdomain', () => {
  const pods = desiredPods(viewOf(workload('StatefulSet', '\n  replicas: 2\n  serviceName: peers')));
  assert.deepEqual(
    pods.map((p) => [p.name, p.labels['apps.kubernetes.io/pod-index'], p.spec.hostname, p.spec.subdomain]),
    [
      ['web-0', '0', 'web-0', 'peers'],
      ['web-1', '1', 'web-1', 'peers'],
    ],
  );
});

test('a job has one pod that is not started again, and none while it is suspended', () => {
  const job = (extra = '') =>
    desiredPods(
      viewOf(`
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec:${extra}
  template:
    spec: {containers: [{name: once, image: a, command: [node]}]}
`),
    );
  assert.deepEqual(
    job().map((p) => [p.spec.restartPolicy, p.labels['job-name'], p.owner?.kind]),
    [['Never', 'once', 'Job']],
  );
  assert.deepEqual(job('\n  suspend: true'), []);
});

test('a pod stands for itself, and is another one when its labels or its spec are', () => {
  const pod = (label: string) =>
    desiredPods(
      viewOf(`
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop, labels: {v: "${label}"}}
spec: {containers: [{name: a, image: a, command: [node]}]}
`),
    )[0]!;
  assert.equal(pod('1').owner, undefined);
  assert.equal(pod('1').name, 'alone');
  assert.equal(pod('1').hash, pod('1').hash);
  assert.notEqual(pod('1').hash, pod('2').hash);
});
