import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  baggageWorkload,
  decodeStruct,
  encodeStruct,
  endpointWorkload,
  workloadMetadata,
  workloadOf,
} from './workload.ts';

const NODE = {
  NAME: 'web-0',
  NAMESPACE: 'shop',
  WORKLOAD_NAME: 'web',
  CLUSTER_ID: 'west',
  OWNER: 'kubernetes://apis/apps/v1/namespaces/shop/deployments/web',
  OTHER: { a: 1 },
  LABELS: {
    app: 'web-app',
    version: 'v1',
    role: 'db',
    'service.istio.io/canonical-name': 'web-svc',
    'service.istio.io/canonical-revision': 'r1',
  },
};

const WEB = {
  instance: 'web-0',
  cluster: 'west',
  namespace: 'shop',
  name: 'web',
  service: 'web-svc',
  revision: 'r1',
  app: 'web-app',
  version: 'v1',
  type: 'deployment',
  identity: '',
  labels: {},
};

test('the metadata of a node', () => {
  assert.deepEqual(workloadOf(NODE, new Set()), WEB);
  assert.deepEqual(workloadOf(NODE, new Set(['role', 'app', 'nobody'])), { ...WEB, labels: { role: 'db' } });
  const empty = Object.fromEntries(Object.keys(WEB).map((key) => [key, key === 'labels' ? {} : '']));
  assert.deepEqual(workloadOf({}, new Set()), empty);
  // What peers say is not to be trusted in its types either.
  assert.deepEqual(workloadOf({ NAME: 1, LABELS: ['app'], OWNER: null, WORKLOAD_NAME: {} }, new Set()), empty);
});

test('the kind of a workload is told by its owner', () => {
  const type = (owner: string, name: string) => workloadOf({ OWNER: owner, WORKLOAD_NAME: name }, new Set()).type;
  assert.equal(type('kubernetes://apis/apps/v1/namespaces/a/cronjobs/b', 'b'), 'cronjob');
  assert.equal(type('kubernetes://apis/v1/namespaces/a/pods/b', 'b'), 'pod');
  assert.equal(type('kubernetes://apis/apps/v1/namespaces/a/statefulsets/b', 'b'), '');
  assert.equal(type('b', 'b'), '');
  assert.equal(type('', ''), '');
});

test('what a workload tells of itself reads the same', () => {
  for (const labels of [new Set<string>(), new Set(['role'])]) {
    const told = workloadMetadata(workloadOf(NODE, labels));
    assert.deepEqual(workloadOf(told, labels), workloadOf(NODE, labels));
  }
  assert.deepEqual(workloadMetadata(workloadOf({}, new Set())), { LABELS: {} });
});

test('equal structs are equal bytes', () => {
  const [a, b] = [
    encodeStruct({ b: 'x', a: { d: true, c: [1, null] } }),
    encodeStruct({ a: { c: [1, null], d: true }, b: 'x' }),
  ];
  assert.deepEqual(a, b);
  assert.deepEqual(decodeStruct(a), { a: { c: [1, null], d: true }, b: 'x' });
  assert.equal(decodeStruct(Uint8Array.of(0xff)), undefined);
  assert.deepEqual(decodeStruct(new Uint8Array(0)), {});
});

test('what the control plane says of an endpoint', () => {
  const { type: _type, instance: _instance, app: _app, version: _version, ...known } = WEB;
  const workload = endpointWorkload('web;shop;web-svc;r1;west');
  for (const [key, value] of Object.entries(known)) assert.deepEqual(workload?.[key as keyof typeof WEB], value, key);
  assert.equal(endpointWorkload('web;shop;web-svc'), undefined);
});

test('baggage', () => {
  assert.deepEqual(
    baggageWorkload(
      'k8s.deployment.name=web,k8s.namespace.name=shop,k8s.cluster.name=west,service.name=web-svc,' +
        'service.version=r1,app.name=web-app,app.version=v1,k8s.instance.name=web-0,user=ann',
    ),
    WEB,
  );
  const pod = baggageWorkload(' k8s.pod.name = p , nothing, __proto__=x');
  assert.deepEqual([pod.type, pod.name, pod.namespace], ['pod', 'p', '']);
});
