import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { readTexts, snapshotOf } from '../../../test/interop/translation/snapshot.ts';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { DEFAULT_REGISTRY_OPTIONS } from '../../registry/options.ts';
import { RegistryBuilder } from '../../registry/registry.ts';
import { TypeUrl } from '../cell.ts';
import { featuresFromEnv } from '../features.ts';
import { parseNode } from '../node.ts';
import { MeshTranslator } from '../translator.ts';

const MESH = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.shop.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: web}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web, namespace: shop}
spec: {address: 10.0.0.1, labels: {app: web}}`;

/** The prefixes of SPIFFE IDs that a sidecar with this environment of the control plane's lets in, each once. */
function letIn(env: Readonly<Record<string, string>>): string[] {
  const config = snapshotOf(readTexts({ 'mesh.yaml': MESH }));
  const registry = new RegistryBuilder(DEFAULT_REGISTRY_OPTIONS).build(config);
  const mesh = { trustDomain: 'new.example', trustDomainAliases: ['old.example'] };
  const node = parseNode(
    fromJson(NodeSchema, {
      id: 'sidecar~10.0.0.1~web.shop~shop.svc.cluster.local',
      metadata: { NAMESPACE: 'shop', LABELS: { app: 'web' } },
    }),
  );
  assert.ok(!('problem' in node));
  const translator = new MeshTranslator({ features: featuresFromEnv(env), domain: 'cluster.local' });
  const listeners = translator.translate({ number: 1, config, registry, mesh }, node).all(TypeUrl.Listener);
  const inbound = listeners.find(({ name }) => name === 'virtualInbound')!;
  const text = Buffer.from(inbound.bytes).toString('latin1');
  return [...new Set(text.match(/spiffe:\/\/[a-z.]+\//g))].sort();
}

test('a sidecar lets in peers of its trust domain and of its aliases', () => {
  assert.deepEqual(letIn({}), ['spiffe://new.example/', 'spiffe://old.example/']);
});

test('PILOT_SKIP_VALIDATE_TRUST_DOMAIN lets in those of any', () => {
  assert.deepEqual(letIn({ PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'true' }), []);
});
