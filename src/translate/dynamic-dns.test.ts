import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type JsonObject } from '@bufbuild/protobuf';
import { translationFor } from '../../test/interop/translation/isthmus.ts';
import { type Cluster, Cluster_LbPolicy, ClusterSchema } from '../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { NodeSchema } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import { RouteConfigurationSchema } from '../api/gen/envoy/config/route/v3/route_pb.ts';
import { ClusterConfigSchema } from '../api/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts';
import { TypeUrl } from './cell.ts';

const ENTRY = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: any, namespace: default}
spec:
  hosts: ["*.a.test"]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DYNAMIC_DNS
`;

const RULE = `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: any, namespace: default}
spec:
  host: "*.a.test"
  trafficPolicy:
    tls: {mode: SIMPLE, insecureSkipVerify: true}
    outlierDetection: {consecutive5xxErrors: 3}
  subsets: [{name: one, labels: {version: one}}]
`;

function translate(config: string, mesh: JsonObject = {}) {
  const node = create(NodeSchema, {
    id: 'sidecar~10.0.0.1~app-0.default~default.svc.cluster.local',
    cluster: 'app.default',
    metadata: { NAMESPACE: 'default', ISTIO_VERSION: '1.31.0', CLUSTER_ID: 'Kubernetes', INSTANCE_IPS: '10.0.0.1' },
  });
  const translation = translationFor({ config: { 'config.yaml': config }, mesh }, node);
  const clusters = new Map(
    translation.all(TypeUrl.Cluster).map(({ bytes, name }) => [name, fromBinary(ClusterSchema, bytes)]),
  );
  return { translation, clusters };
}

function forwardProxyOf(cluster: Cluster | undefined) {
  assert.ok(cluster?.clusterDiscoveryType.case === 'clusterType');
  return fromBinary(ClusterConfigSchema, cluster.clusterDiscoveryType.value.typedConfig!.value);
}

test('a service of DYNAMIC_DNS has neither endpoints nor subsets, and its names a cache of their own', () => {
  const { clusters, translation } = translate(ENTRY);
  const cluster = clusters.get('outbound|80||*.a.test');
  assert.equal(cluster?.lbPolicy, Cluster_LbPolicy.CLUSTER_PROVIDED);
  const { clusterImplementationSpecifier: specifier, allowInsecureClusterOptions } = forwardProxyOf(cluster);
  assert.ok(specifier.case === 'dnsCacheConfig');
  assert.equal(specifier.value.name, '*.a.test_dfp_dns_cache');
  assert.equal(allowInsecureClusterOptions, false);
  assert.deepEqual(translation.all(TypeUrl.Endpoint), []);
});

test('outlier detection, which ends istiod, and unverified TLS are honoured; subsets are of nobody', () => {
  const { clusters } = translate(ENTRY + RULE);
  const cluster = clusters.get('outbound|80||*.a.test');
  assert.equal(forwardProxyOf(cluster).allowInsecureClusterOptions, true);
  assert.equal(cluster?.outlierDetection?.consecutive5xx, 3);
  assert.equal(clusters.has('outbound|80|one|*.a.test'), false);
});

for (const [mode, cluster] of [
  ['ALLOW_ANY', 'PassthroughCluster'],
  ['ALLOW_ANY_DYNAMIC_DNS', 'AllowAnyDynamicDNSCluster'],
] as const) {
  test(`${mode}: unknown hosts go to ${cluster}`, () => {
    const { clusters, translation } = translate(ENTRY, { outboundTrafficPolicy: { mode } });
    assert.equal(clusters.has('AllowAnyDynamicDNSCluster'), mode === 'ALLOW_ANY_DYNAMIC_DNS');
    const table = fromBinary(RouteConfigurationSchema, translation.get(TypeUrl.Route, '80')!.bytes);
    const action = table.virtualHosts.find(({ domains }) => domains.includes('*'))?.routes[0].action;
    assert.ok(action?.case === 'route');
    assert.equal(action.value.clusterSpecifier.value, cluster);
  });
}
