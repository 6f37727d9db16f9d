import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codesOf, findingsOf } from '../../../test/support/findings.ts';
import { analyze } from '../analyze.ts';
import type { Resource } from '../resource.ts';
import { resourceFromJson } from '../source.ts';
import { multiclusterServicesAnalyzer } from './multicluster-services.ts';

const object = (value: object): string => `\n---\n${JSON.stringify(value)}\n`;
const webhooks = (kind: string, name: string, list: object[], labels: object = {}) =>
  object({ apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name, labels }, webhooks: list });

describe('webhooks', () => {
  const mutating = (name: string, list: object[], labels?: object) =>
    webhooks('MutatingWebhookConfiguration', name, list, labels);
  const found = (text: string) => findingsOf('webhook.Analyzer', text);
  const enabled = { namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } } };

  test('two for the same pods', () => {
    const text =
      mutating('one', [{ name: 'a.istio.io', ...enabled }]) + mutating('two', [{ name: 'b.istio.io', ...enabled }]);
    assert.deepEqual(found(text), [
      'IST0139 3 MutatingWebhookConfiguration one: Webhook overlaps with others: [two/b.istio.io]. This may cause injection to occur twice.',
      'IST0139 6 MutatingWebhookConfiguration two: Webhook overlaps with others: [one/a.istio.io]. This may cause injection to occur twice.',
    ]);
  });

  test('those of revisions, and others than Istio', () => {
    const rev = (revision: string) => ({ namespaceSelector: { matchLabels: { 'istio.io/rev': revision } } });
    const text =
      mutating('one', [{ name: 'a.istio.io', ...rev('one') }]) +
      mutating('two', [{ name: 'a.istio.io', ...rev('two') }]) +
      mutating('other', [{ name: 'a.example.com' }]);
    assert.deepEqual(found(text), []);
    assert.equal(found(text + mutating('three', [{ name: 'a.istio.io', ...rev('two') }])).length, 2);
  });

  test('of a control plane that there is not', () => {
    const clientConfig = { service: { namespace: 'istio-system', name: 'istiod' } };
    const text = mutating('one', [{ name: 'a.istio.io', ...enabled, clientConfig }]);
    const service = (name: string) =>
      object({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'istio-system' }, spec: {} });
    assert.deepEqual(found(text + service('istiod')), []);
    assert.deepEqual(found(text + service('other')), [
      'IST0139 3 MutatingWebhookConfiguration one: Injector refers to a control plane service that does not exist: istio-system/istiod.',
    ]);
  });

  test('of a control plane elsewhere', () => {
    const external = (name: string, clientConfig: object) =>
      codesOf(
        'externalcontrolplane.ExternalControlPlaneAnalyzer',
        webhooks('ValidatingWebhookConfiguration', name, [{ name: 'a.istio.io', clientConfig }]),
      );
    const table: readonly [object, string[]][] = [
      [{}, ['IST0163 ValidatingWebhookConfiguration istio-validator-x']],
      [{ url: 'https://[broken' }, ['IST0163 ValidatingWebhookConfiguration istio-validator-x']],
      [{ url: 'https://10.0.0.1:15017' }, ['IST0164 ValidatingWebhookConfiguration istio-validator-x']],
      [{ url: 'https://[::1]/x' }, ['IST0164 ValidatingWebhookConfiguration istio-validator-x']],
      [{ url: 'https://istiod.example.com/x' }, []],
      [{ service: { namespace: 'istio-system', name: 'istiod' } }, []],
    ];
    for (const [clientConfig, expected] of table) {
      assert.deepEqual(external('istio-validator-x', clientConfig), expected);
      assert.deepEqual(external('other', clientConfig), []);
    }
  });
});

test('conditions that say no', () => {
  const withStatus = (apiVersion: string, kind: string, status: object) =>
    object({ apiVersion, kind, metadata: { name: 'x', namespace: 'a' }, spec: {}, status });
  const no = (type: string, reason = 'Because', status = 'False') => ({
    conditions: [{ type, status, reason, message: 'it is so' }],
  });
  const codes = (text: string) => codesOf('conditions.ConditionAnalyzer', text);
  assert.deepEqual(
    findingsOf('conditions.ConditionAnalyzer', withStatus('v1', 'Service', no('istio.io/WaypointBound'))),
    [
      'IST0171 3 Service a/x: A condition with a negative status is present: type=istio.io/WaypointBound, reason=Because, message=it is so.',
    ],
  );
  assert.deepEqual(codes(withStatus('v1', 'Service', no('Other'))), []);
  assert.deepEqual(codes(withStatus('v1', 'Service', no('istio.io/WaypointBound', 'Because', 'True'))), []);
  const policy = (status: object) => withStatus('security.istio.io/v1', 'AuthorizationPolicy', status);
  assert.deepEqual(codes(policy(no('ZtunnelAccepted'))), ['IST0171 AuthorizationPolicy a/x']);
  assert.deepEqual(codes(policy(no('WaypointAccepted', 'PartiallyInvalid', 'True'))), [
    'IST0171 AuthorizationPolicy a/x',
  ]);
  const gatewayApi = 'gateway.networking.k8s.io/v1';
  assert.deepEqual(codes(withStatus(gatewayApi, 'Gateway', no('Programmed'))), ['IST0171 Gateway a/x']);
  assert.deepEqual(codes(withStatus(gatewayApi, 'HTTPRoute', { parents: [no('Accepted')] })), [
    'IST0171 HTTPRoute a/x',
  ]);
  assert.deepEqual(codes(withStatus(gatewayApi, 'GRPCRoute', { parents: [no('ResolvedRefs')] })), [
    'IST0171 GRPCRoute a/x',
  ]);
});

test('versions of Gateway API', () => {
  const found = (name: string, version?: string) =>
    codesOf(
      'k8sgateway.CRDVersionAnalyzer',
      object({
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name, annotations: version && { 'gateway.networking.k8s.io/bundle-version': version } },
        spec: {},
      }),
    );
  const tlsRoutes = 'tlsroutes.gateway.networking.k8s.io';
  const old = [`IST0176 CustomResourceDefinition ${tlsRoutes}`];
  assert.deepEqual(found(tlsRoutes, 'v1.4.1'), old);
  assert.deepEqual(found(tlsRoutes, 'v0.9'), old);
  assert.deepEqual(found(tlsRoutes, 'v1.5.0-rc.1'), []);
  assert.deepEqual(found(tlsRoutes, 'v2'), []);
  assert.deepEqual(found(tlsRoutes, 'some'), []);
  assert.deepEqual(found(tlsRoutes), []);
  assert.deepEqual(found('gateways.gateway.networking.k8s.io', 'v0.1.0'), []);
});

test('networks of clusters that nobody knows', () => {
  const networks =
    '{networks: {net: {endpoints: [{fromRegistry: Kubernetes}, {fromRegistry: far}, {fromCidr: 10.0.0.0/8}]}}}';
  const configMap = object({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh: '', meshNetworks: networks },
  });
  const secret = object({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'istio-system', labels: { 'istio/multiCluster': 'true' } },
    data: { far: 'aGk=' },
  });
  assert.deepEqual(findingsOf('meshnetworks.MeshNetworksAnalyzer', configMap), [
    'IST0126 - MeshNetworks istio-system/meshnetworks: Unknown service registry far in network net',
  ]);
  assert.deepEqual(findingsOf('meshnetworks.MeshNetworksAnalyzer', configMap + secret), []);
});

test('services that differ from cluster to cluster', () => {
  const service = (cluster: string, name: string, spec: object): Resource => {
    const json = { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'a' }, spec };
    return { ...resourceFromJson(json, { file: cluster })!, cluster };
  };
  const analyzers = [multiclusterServicesAnalyzer];
  const found = (...resources: Resource[]) => analyze(resources, { analyzers }).map(({ text }) => text);
  const ports = [
    { name: 'http', port: 80 },
    { name: 'tcp', port: 90 },
  ];
  assert.deepEqual(found(service('c1', 'x', { ports }), service('c2', 'x', { ports: [...ports].reverse() })), []);
  assert.deepEqual(found(service('c1', 'x', { clusterIP: 'None' }), service('c2', 'x', { type: 'NodePort', ports })), [
    'The service x in namespace "a" is inconsistent across clusters ["c1" "c2"], which can lead to undefined behaviors. The inconsistent behaviors are: service has mixed mode like headless and clusterIP; service ports are inconsistent; service type is inconsistent.',
  ]);
});

test('patches of EnvoyFilters', () => {
  const filter = (spec: object) =>
    object({
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'f', namespace: 'a' },
      spec,
    });
  const codes = (applyTo: string, operation: string, rest: object = {}) =>
    codesOf(
      'envoyfilter.EnvoyPatchAnalyzer',
      filter({ configPatches: [{ applyTo, patch: { operation, value: { name: 'x' } } }], ...rest }),
    ).map((code) => code.slice(0, 7));
  const table: readonly [string, string, string[]][] = [
    ['HTTP_ROUTE', 'ADD', ['IST0153']],
    ['CLUSTER', 'ADD', []],
    ['ROUTE_CONFIGURATION', 'REMOVE', ['IST0154']],
    ['CLUSTER', 'REMOVE', ['IST0151']],
    ['CLUSTER', 'REPLACE', ['IST0152']],
    ['HTTP_FILTER', 'REPLACE', ['IST0151']],
    ['HTTP_FILTER', 'INSERT_BEFORE', ['IST0151']],
    ['NETWORK_FILTER', 'INSERT_AFTER', ['IST0151']],
    ['HTTP_FILTER', 'INSERT_FIRST', []],
    ['HTTP_FILTER', 'MERGE', []],
  ];
  for (const [applyTo, operation, expected] of table) assert.deepEqual(codes(applyTo, operation), expected);
  assert.deepEqual(codes('HTTP_FILTER', 'INSERT_BEFORE', { priority: 1 }), []);
  const patch = { operation: 'INSERT_BEFORE', value: { name: 'x' } };
  const match = { proxy: { proxyVersion: '^1\\.31.*' } };
  const two = filter({
    configPatches: [
      { applyTo: 'HTTP_FILTER', match, patch },
      { applyTo: 'HTTP_FILTER', patch },
    ],
  });
  assert.deepEqual(codesOf('envoyfilter.EnvoyPatchAnalyzer', two), [
    'IST0151 EnvoyFilter a/f',
    'IST0155 EnvoyFilter a/f',
  ]);
});
