import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../../test/support/object-view.ts';
import { desiredPods } from './desired-pod.ts';
import { injectedPod, injectionOf } from './injection.ts';

const pod = (metadata: string, spec = '') =>
  desiredPods(
    viewOf(`
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop${metadata}}
spec: {containers: [{name: web, image: a, command: [node]}]${spec}}
`),
  )[0]!;

test('the pod, then its namespace, say whether there is a sidecar; without a word there is one', () => {
  const disabled = { 'istio-injection': 'disabled' };
  const table: readonly (readonly [string, string, Record<string, string>, string])[] = [
    ['', '', {}, 'sidecar'],
    ['', '', disabled, 'none'],
    ['', '', { 'istio-injection': 'enabled' }, 'sidecar'],
    [', labels: {sidecar.istio.io/inject: "true"}', '', disabled, 'sidecar'],
    [', labels: {sidecar.istio.io/inject: "false"}', '', {}, 'none'],
    [', annotations: {sidecar.istio.io/inject: "no"}', '', {}, 'none'],
    [', labels: {sidecar.istio.io/inject: "yes"}, annotations: {sidecar.istio.io/inject: "no"}', '', {}, 'sidecar'],
    ['', ', hostNetwork: true', {}, 'none'],
    [', annotations: {inject.istio.io/templates: gateway}', '', disabled, 'gateway'],
    [', annotations: {inject.istio.io/templates: "sidecar, gateway"}', '', {}, 'gateway'],
  ];
  for (const [metadata, spec, namespace, expected] of table)
    assert.equal(injectionOf(pod(metadata, spec), namespace), expected, `${metadata} ${JSON.stringify(namespace)}`);
});

test('the injector labels what it injects into', () => {
  const labels = (metadata: string, injection: 'sidecar' | 'gateway' | 'none' = 'sidecar') =>
    injectedPod(pod(metadata), injection).labels;
  const injected = (name: string, revision: string) => ({
    'security.istio.io/tlsMode': 'istio',
    'service.istio.io/canonical-name': name,
    'service.istio.io/canonical-revision': revision,
  });
  assert.deepEqual(labels(''), injected('web', 'latest'));
  assert.deepEqual(labels(', labels: {app: a, version: v2}'), { app: 'a', version: 'v2', ...injected('a', 'v2') });
  const recommended = { 'app.kubernetes.io/name': 'b', 'app.kubernetes.io/version': '3' };
  assert.deepEqual(labels(`, labels: ${JSON.stringify({ app: 'a', ...recommended })}`), {
    app: 'a',
    ...recommended,
    ...injected('b', '3'),
  });
  const own = { 'service.istio.io/canonical-name': 'mine', 'security.istio.io/tlsMode': 'disabled' };
  assert.deepEqual(labels(`, labels: ${JSON.stringify(own)}`), { ...injected('mine', 'latest'), ...own });
  const { 'security.istio.io/tlsMode': _, ...ofGateway } = injected('web', 'latest');
  assert.deepEqual(labels('', 'gateway'), ofGateway);
  assert.deepEqual(labels(', labels: {app: a}', 'none'), { app: 'a' });
});
