import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codesOf, findingsOf } from '../../../test/support/findings.ts';

const object = (apiVersion: string, kind: string, name: string, namespace: string, spec: object, rest = {}): string =>
  `\n---\n${JSON.stringify({ apiVersion, kind, metadata: { name, namespace, ...rest }, spec })}\n`;
const pod = (name: string, namespace: string, labels: object, annotations: object = {}) =>
  object('v1', 'Pod', name, namespace, { containers: [{ name: 'istio-proxy', image: 'p' }] }, { labels, annotations });
const namespace = (name: string, labels: object = {}) =>
  `\n---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })}\n`;
const deployment = (name: string, home: string, labels: object) =>
  object('apps/v1', 'Deployment', name, home, {
    selector: {},
    template: { metadata: { labels }, spec: { containers: [{ name: 'istio-proxy', image: 'p' }] } },
  });

describe('authorization policies', () => {
  const policy = (home: string, spec: object) => object('security.istio.io/v1', 'AuthorizationPolicy', 'p', home, spec);
  const found = (text: string) => findingsOf('auth.AuthorizationPoliciesAnalyzer', text);
  const selector = { matchLabels: { app: 'web', tier: 'front' } };

  test('for workloads that there are', () => {
    const web = pod('web', 'a', { app: 'web', tier: 'front', version: 'v1' });
    assert.deepEqual(found(policy('a', { selector }) + web), []);
    assert.deepEqual(found(policy('a', {}) + web), []);
    assert.deepEqual(found(policy('istio-system', { selector }) + web), []);
    assert.deepEqual(found(policy('istio-system', {}) + web), []);
  });

  test('for none', () => {
    const other = pod('other', 'a', { app: 'other' });
    const none = 'No matching workloads for this resource with the following labels: ';
    assert.deepEqual(found(policy('a', { selector }) + other), [
      `IST0127 3 AuthorizationPolicy a/p: ${none}app=web,tier=front`,
    ]);
    assert.deepEqual(found(policy('b', {}) + other), [`IST0127 3 AuthorizationPolicy b/p: ${none}`]);
    assert.equal(found(policy('istio-system', { selector }) + other).length, 1);
  });

  test('files without pods: their workloads count, and without workloads nothing is said', () => {
    assert.deepEqual(found(policy('a', { selector })), []);
    assert.deepEqual(found(policy('a', { selector }) + deployment('web', 'a', selector.matchLabels)), []);
    assert.equal(found(policy('a', { selector }) + deployment('web', 'a', {})).length, 1);
  });

  test('namespaces that there are not', () => {
    const rules = [{ from: [{ source: { namespaces: ['web', 'we*', '*b', 'no*'], notNamespaces: ['none', '*'] } }] }];
    const text = policy('istio-system', { rules }) + namespace('web');
    assert.deepEqual(found(text), [
      'IST0101 3 AuthorizationPolicy istio-system/p: Referenced namespace not found: "no*"',
      'IST0101 3 AuthorizationPolicy istio-system/p: Referenced namespace not found: "none"',
    ]);
  });
});

describe('sidecars', () => {
  const sidecar = (name: string, home: string, labels?: object) =>
    object('networking.istio.io/v1', 'Sidecar', name, home, {
      ...(labels && { workloadSelector: { labels } }),
      egress: [{ hosts: ['./*'] }],
    });
  const found = (text: string) => findingsOf('sidecar.SelectorAnalyzer', text);

  test('for no pod of their namespace', () => {
    assert.deepEqual(found(sidecar('s', 'a', { app: 'web' }) + pod('web', 'b', { app: 'web' })), [
      'IST0101 3 Sidecar a/s: Referenced selector not found: "app=web"',
    ]);
  });

  test('several for one pod', () => {
    const text =
      sidecar('s', 'a', { app: 'web' }) + sidecar('t', 'a', { v: '1' }) + pod('web', 'a', { app: 'web', v: '1' });
    assert.deepEqual(found(text), [
      'IST0110 3 Sidecar a/s: The Sidecars [s t] in namespace "a" select the same workload pod "web", which can lead to undefined behavior.',
      'IST0110 6 Sidecar a/t: The Sidecars [s t] in namespace "a" select the same workload pod "web", which can lead to undefined behavior.',
    ]);
  });

  test('several for one namespace', () => {
    assert.deepEqual(found(sidecar('s', 'a') + sidecar('t', 'a') + sidecar('u', 'b')), [
      'IST0111 3 Sidecar a/s: The Sidecars [s t] in namespace "a" have no workload selector, which can lead to undefined behavior.',
      'IST0111 6 Sidecar a/t: The Sidecars [s t] in namespace "a" have no workload selector, which can lead to undefined behavior.',
    ]);
  });

  test('where there are no sidecars', () => {
    const ambient = namespace('a', { 'istio.io/dataplane-mode': 'ambient' });
    assert.deepEqual(found(sidecar('s', 'a') + sidecar('t', 'a') + ambient), [
      'IST0167 3 Sidecar a/s: The policy has no impact: namespace is in ambient mode, the policy has no impact.',
      'IST0167 6 Sidecar a/t: The policy has no impact: namespace is in ambient mode, the policy has no impact.',
    ]);
    const redirected = pod('web', 'a', { app: 'web' }, { 'ambient.istio.io/redirection': 'enabled' });
    assert.deepEqual(codesOf('sidecar.SelectorAnalyzer', sidecar('s', 'a', { app: 'web' }) + redirected), [
      'IST0167 Sidecar a/s',
    ]);
  });
});

describe('telemetries', () => {
  const telemetry = (name: string, home: string, spec: object) =>
    object('telemetry.istio.io/v1', 'Telemetry', name, home, spec);
  const selector = { matchLabels: { app: 'web' } };

  test('for no pod, and several for one', () => {
    const codes = (text: string) => codesOf('telemetry.SelectorAnalyzer', text);
    const web = pod('web', 'a', { app: 'web' });
    assert.deepEqual(codes(telemetry('t', 'b', { selector }) + web), ['IST0101 Telemetry b/t']);
    assert.deepEqual(codes(telemetry('t', 'a', { selector }) + web), []);
    assert.deepEqual(codes(telemetry('t', 'a', { selector }) + telemetry('u', 'a', { selector }) + web), [
      'IST0159 Telemetry a/t',
      'IST0159 Telemetry a/u',
    ]);
  });

  test('several for one namespace; what is attached to a gateway is not for it', () => {
    const codes = (text: string) => codesOf('telemetry.DefaultSelectorAnalyzer', text);
    const attached = { targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'g' }] };
    assert.deepEqual(codes(telemetry('t', 'a', {}) + telemetry('u', 'a', attached) + telemetry('v', 'b', {})), []);
    assert.deepEqual(codes(telemetry('t', 'a', {}) + telemetry('u', 'a', {})), [
      'IST0160 Telemetry a/t',
      'IST0160 Telemetry a/u',
    ]);
  });

  test('access logging without a provider', () => {
    const text = telemetry('t', 'a', { accessLogging: [{}] });
    assert.deepEqual(codesOf('telemetry.ProviderAnalyzer', text), ['IST0157 Telemetry a/t']);
    const meshConfig = { file: 'm.yaml', text: 'defaultProviders: {accessLogging: [envoy]}' };
    assert.deepEqual(codesOf('telemetry.ProviderAnalyzer', text, { meshConfig }), []);
    assert.deepEqual(
      codesOf('telemetry.ProviderAnalyzer', telemetry('t', 'a', { accessLogging: [{ disabled: true }] })),
      [],
    );
  });

  test('lightstep', () => {
    const text = telemetry('t', 'a', { tracing: [{ providers: [{ name: 'ls' }, { name: 'zipkin' }] }] });
    const provider = '{name: ls, lightstep: {service: a.b, port: 1, accessToken: x}}';
    const meshConfig = { file: 'm.yaml', text: `extensionProviders: [${provider}]` };
    assert.deepEqual(findingsOf('telemetry.LightstepAnalyzer', text, { meshConfig }), [
      'IST0002 3 Telemetry a/t: Deprecated: The Lightstep provider ls is deprecated, please migrate to OpenTelemetry provider.',
    ]);
    assert.deepEqual(findingsOf('telemetry.LightstepAnalyzer', text), []);
  });
});

test('policies that select pods of the Gateway API', () => {
  const policy = (spec: object) => object('security.istio.io/v1', 'RequestAuthentication', 'p', 'a', spec);
  const gateway = pod('g', 'a', { 'gateway.networking.k8s.io/gateway-name': 'edge' });
  const selector = { matchLabels: { 'gateway.networking.k8s.io/gateway-name': 'edge' } };
  assert.deepEqual(findingsOf('k8sgateway.SelectorAnalyzer', policy({ selector }) + gateway), [
    'IST0166 3 RequestAuthentication a/p: Ineffective selector on Kubernetes Gateway edge. Use the TargetRef field instead.',
  ]);
  assert.deepEqual(
    findingsOf('k8sgateway.SelectorAnalyzer', policy({ selector: { matchLabels: { a: 'b' } } }) + gateway),
    [],
  );
});

test('keys that are fetched from anywhere', () => {
  const policies = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) =>
    object('security.istio.io/v1', 'RequestAuthentication', name, 'x', {}),
  );
  const istiod = (env: object[]) =>
    object(
      'apps/v1',
      'Deployment',
      'istiod',
      'istio-system',
      { selector: {}, template: { spec: { containers: [{ name: 'discovery', image: 'pilot', env }] } } },
      { labels: { app: 'istiod' } },
    );
  const found = (env: object[]) => findingsOf('authn.BlockedCIDRsAnalyzer', istiod(env) + policies.join(''));
  assert.deepEqual(found([]), [
    'IST0175 3 Deployment istio-system/istiod: BLOCKED_CIDRS_IN_JWKS_URIS is not configured but 7 RequestAuthentication resource(s) exist (x/a, x/b, x/c, x/d, x/e, and 2 more). Consider configuring it to restrict JWKS URI fetches to trusted networks.',
  ]);
  assert.deepEqual(found([{ name: 'BLOCKED_CIDRS_IN_JWKS_URIS', value: '10.0.0.0/8' }]), []);
  assert.deepEqual(findingsOf('authn.BlockedCIDRsAnalyzer', istiod([])), []);
});
