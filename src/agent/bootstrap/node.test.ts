import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEnvironment } from '../environment/environment.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { buildNode, type NodeOptions } from './node.ts';

const POD = { INSTANCE_IP: '127.64.0.3', POD_NAME: 'web-1', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'web' };

interface More {
  readonly env?: Readonly<Record<string, string>>;
  readonly proxyConfig?: Partial<ProxyConfig>;
  readonly options?: Partial<NodeOptions>;
}

const build = ({ env, proxyConfig = {}, options }: More = {}) =>
  buildNode({
    role: 'sidecar',
    environment: readEnvironment({ ...POD, ...env }, 'sidecar'),
    proxyConfig: proxyConfig as ProxyConfig,
    proxyConfigJson: { discoveryAddress: 'istiod.istio-system.svc:15012' },
    domain: undefined,
    podLabels: {},
    podAnnotations: {},
    version: '1.31.0',
    pilotSan: [],
    ...options,
  });

test('the node of a pod', () => {
  const node = build({
    env: {
      ISTIO_META_WORKLOAD_NAME: 'web',
      ISTIO_META_CLUSTER_ID: 'Kubernetes',
      ISTIO_METAJSON_ANNOTATIONS: '{"ANNOTATIONS":{"a":"1"}}',
      ISTIO_METAJSON_LABELS: '{"app":"old","env":"prod"}',
    },
    proxyConfig: { proxyMetadata: { ISTIO_META_HTTP10: '1', OTHER: 'x' } },
    options: {
      pilotSan: ['istiod.istio-system.svc'],
      podLabels: { app: 'web', 'pod-template-hash': 'abc', 'istio-locality': 'r1.z1.s1' },
      podAnnotations: { b: '2' },
    },
  });
  assert.equal(node.id, 'sidecar~127.64.0.3~web-1.shop~shop.svc.cluster.local');
  assert.equal(node.cluster, 'web.shop');
  assert.deepEqual(node.locality, { region: 'r1', zone: 'z1', sub_zone: 's1' });
  assert.deepEqual(node.metadata, {
    ANNOTATIONS: { a: '1', b: '2' },
    CLUSTER_ID: 'Kubernetes',
    ENVOY_PROMETHEUS_PORT: 15090,
    ENVOY_STATUS_PORT: 15021,
    HTTP10: '1',
    INSTANCE_IPS: '127.64.0.3',
    ISTIO_VERSION: '1.31.0',
    LABELS: { app: 'web', env: 'prod', 'istio-locality': 'r1/z1/s1' },
    NAME: 'web-1',
    NAMESPACE: 'shop',
    PILOT_SAN: ['istiod.istio-system.svc'],
    PROXY_CONFIG: { discoveryAddress: 'istiod.istio-system.svc:15012' },
    SERVICE_ACCOUNT: 'web',
    WORKLOAD_NAME: 'web',
  });
});

test('how a workload is called in traces', () => {
  const labels = { app: 'web', 'service.istio.io/canonical-name': 'canon' };
  const table: [Partial<ProxyConfig>, Record<string, string>, string][] = [
    [{}, {}, 'istio-proxy.shop'],
    [{ serviceCluster: 'istio-proxy' }, labels, 'web.shop'],
    [{ serviceCluster: 'mine' }, labels, 'mine'],
    [{ tracingServiceName: 'APP_LABEL_AND_NAMESPACE' }, labels, 'web.shop'],
    [{ tracingServiceName: 'CANONICAL_NAME_ONLY' }, labels, 'canon'],
    [{ tracingServiceName: 'CANONICAL_NAME_AND_NAMESPACE' }, labels, 'canon.shop'],
    [{ tracingServiceName: 'CANONICAL_NAME_AND_NAMESPACE' }, {}, 'istio-proxy.shop'],
  ];
  for (const [proxyConfig, podLabels, name] of table) {
    assert.equal(build({ proxyConfig, options: { podLabels } }).cluster, name);
  }
});

test('the domain of the node', () => {
  const id = (domain: string | undefined) => build({ options: { domain, role: 'router' } }).id;
  assert.equal(id(undefined), 'router~127.64.0.3~web-1.shop~shop.svc.cluster.local');
  assert.equal(id(''), 'router~127.64.0.3~web-1.shop~shop.svc.cluster.local');
  assert.equal(id('mesh.test'), 'router~127.64.0.3~web-1.shop~mesh.test');
});

test('a locality has dots or slashes, and as many parts as there are', () => {
  const table: [string, object][] = [
    ['r.z.s', { region: 'r', zone: 'z', sub_zone: 's' }],
    ['r/z.1/s', { region: 'r', zone: 'z.1', sub_zone: 's' }],
    ['r', { region: 'r' }],
  ];
  for (const [label, locality] of table) {
    assert.deepEqual(build({ options: { podLabels: { 'istio-locality': label } } }).locality, locality);
  }
  assert.deepEqual(build().locality, {});
});

test('an agent that ends when nobody is connected says so, and is not asked for names of discovery in clear', () => {
  const { metadata } = build({ env: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' } });
  assert.equal(metadata.EXIT_ON_ZERO_ACTIVE_CONNECTIONS, 'true');
  assert.equal('PILOT_SAN' in metadata, false);
});
