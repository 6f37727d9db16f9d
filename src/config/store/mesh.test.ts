import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readObjects } from '../read.ts';
import { MemoryStore } from './memory-store.ts';
import { meshConfigOf, meshNetworksOf } from './mesh.ts';

async function snapshotOf(...texts: string[]) {
  const store = new MemoryStore();
  const results = await store.apply(readObjects(texts.join('\n---\n'), 'f.yaml').entries);
  assert.deepEqual(
    results.flatMap((r) => r.errors),
    [],
  );
  return store.snapshot;
}

const OPERATOR =
  '{apiVersion: install.istio.io/v1alpha1, kind: IstioOperator, metadata: {name: a, namespace: istio-system}, spec: {meshConfig: {accessLogFile: /operator, trustDomain: o.com}}}';
const CONFIG_MAP =
  '{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: "accessLogFile: /map", meshNetworks: "networks: {a: {}}"}}';

test('nothing gives the defaults', async () => {
  const mesh = meshConfigOf(await snapshotOf(), { rootNamespace: 'mesh' });
  assert.equal(mesh.trustDomain, 'cluster.local');
  assert.equal(mesh.rootNamespace, 'mesh');
  assert.equal(mesh.defaultConfig.discoveryAddress, 'istiod.mesh.svc:15012');
});

test('a file goes before the ConfigMap, and that before IstioOperator', async () => {
  assert.equal(meshConfigOf(await snapshotOf(OPERATOR)).accessLogFile, '/operator');
  const both = await snapshotOf(OPERATOR, CONFIG_MAP);
  assert.equal(meshConfigOf(both).accessLogFile, '/map');
  assert.equal(meshConfigOf(both).trustDomain, 'cluster.local');
  assert.equal(meshConfigOf(both, { file: { accessLogFile: '/file' } }).accessLogFile, '/file');
  assert.deepEqual(meshNetworksOf(both), { networks: { a: {} } });
});

test('a revision has a ConfigMap of its own', async () => {
  const snapshot = await snapshotOf(
    CONFIG_MAP,
    CONFIG_MAP.replace('name: istio,', 'name: istio-canary,').replace('/map', '/canary'),
  );
  assert.equal(meshConfigOf(snapshot, { revision: 'canary' }).accessLogFile, '/canary');
  assert.equal(meshConfigOf(snapshot, { revision: 'default' }).accessLogFile, '/map');
  assert.equal(meshConfigOf(snapshot, { rootNamespace: 'other' }).accessLogFile, undefined);
});
