import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codesOf, findingsOf } from '../../../test/support/findings.ts';

const object = (value: object): string => `\n---\n${JSON.stringify(value)}\n`;
const namespace = (name: string, labels: object = {}) =>
  object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
const pod = (name: string, spec: object, metadata: object = {}) =>
  object({ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec });
const deployment = (name: string, template: object, metadata: object = {}) =>
  object({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, ...metadata },
    spec: { selector: {}, template },
  });
const service = (name: string, spec: object, metadata: object = {}) =>
  object({ apiVersion: 'v1', kind: 'Service', metadata: { name, ...metadata }, spec });
const containers = [{ name: 'web', image: 'web' }];
const proxy = { name: 'istio-proxy', image: 'proxyv2:1.31' };

describe('annotations', () => {
  const found = (annotations: Readonly<Record<string, string>>, labels: object = {}) =>
    findingsOf('annotations.K8sAnalyzer', pod('p', { containers }, { annotations, labels })).map((finding) =>
      finding.replace(/^(\S+) \d+ Pod default\/p: /, '$1 '),
    );

  const table: readonly [string, string, string[]][] = [
    ['other.example.com/inject', 'x', []],
    ['sidecar.istio.io/injekt', 'true', ['IST0108 Unknown annotation: sidecar.istio.io/injekt']],
    [
      'sidecar.istio.io/inject',
      'true',
      [
        'IST0135 Annotation "sidecar.istio.io/inject" has been deprecated in favor of the "sidecar.istio.io/inject" label and may not work in future Istio versions.',
      ],
    ],
    [
      'networking.istio.io/exportTo',
      '*',
      ['IST0107 Misplaced annotation: networking.istio.io/exportTo can only be applied to Service'],
    ],
    [
      'kubernetes.io/ingress.class',
      'istio',
      ['IST0107 Misplaced annotation: kubernetes.io/ingress.class can only be applied to Ingress'],
    ],
    ['galley.istio.io/analyze-suppress', 'IST0001', []],
    ['sidecar.istio.io/interceptionMode', 'TPROXY', []],
    [
      'sidecar.istio.io/interceptionMode',
      'tproxy',
      [
        'IST0125 Invalid annotation sidecar.istio.io/interceptionMode: interceptionMode invalid, use REDIRECT,TPROXY,NONE: tproxy',
      ],
    ],
    ['traffic.sidecar.istio.io/includeInboundPorts', '*', []],
    ['traffic.sidecar.istio.io/includeInboundPorts', '80, 8080', []],
    [
      'traffic.sidecar.istio.io/excludeInboundPorts',
      '*',
      [
        "IST0125 Invalid annotation traffic.sidecar.istio.io/excludeInboundPorts: excludeInboundPorts invalid: failed parsing port '*'",
      ],
    ],
    ['traffic.sidecar.istio.io/includeOutboundIPRanges', '10.0.0.0/8,fd00::/8', []],
    [
      'traffic.sidecar.istio.io/includeOutboundIPRanges',
      '10.0.0.1',
      [
        "IST0125 Invalid annotation traffic.sidecar.istio.io/includeOutboundIPRanges: includeIPRanges invalid: failed parsing cidr '10.0.0.1'",
      ],
    ],
    [
      'readiness.status.sidecar.istio.io/periodSeconds',
      '-1',
      ['IST0125 Invalid annotation readiness.status.sidecar.istio.io/periodSeconds: must be a whole number, not "-1"'],
    ],
    [
      'status.sidecar.istio.io/port',
      '70000',
      ["IST0125 Invalid annotation status.sidecar.istio.io/port: failed parsing port '70000'"],
    ],
    [
      'prometheus.istio.io/merge-metrics',
      'yes',
      ['IST0125 Invalid annotation prometheus.istio.io/merge-metrics: must be true or false, not "yes"'],
    ],
    ['proxy.istio.io/config', 'concurrency: 2', []],
    [
      'proxy.istio.io/config',
      'concurrency: two',
      ['IST0125 Invalid annotation proxy.istio.io/config: concurrency must be a whole number, not the string "two"'],
    ],
  ];
  for (const [name, value, expected] of table) {
    test(`${name}: ${value}`, () => assert.deepEqual(found({ [name]: value }), expected));
  }

  test('who has the label too is not told that the annotation is deprecated', () => {
    assert.deepEqual(found({ 'sidecar.istio.io/inject': 'true' }, { 'sidecar.istio.io/inject': 'true' }), []);
  });

  test('deployments, services and namespaces are looked at as well', () => {
    const annotations = { 'sidecar.istio.io/proxyCPU': '1' };
    const text =
      object({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n', annotations } }) +
      service('s', {}, { annotations }) +
      deployment('d', { spec: { containers } }, { annotations });
    assert.deepEqual(codesOf('annotations.K8sAnalyzer', text), [
      'IST0107 Deployment default/d',
      'IST0107 Namespace n',
      'IST0107 Service default/s',
    ]);
  });
});

test("programs that run as the sidecar's user", () => {
  const user = { runAsUser: 1337 };
  const codes = (text: string) => codesOf('applicationUID.Analyzer', text);
  assert.deepEqual(codes(pod('p', { securityContext: user, containers })), ['IST0144 Pod default/p']);
  assert.deepEqual(codes(pod('p', { containers: [{ ...containers[0], securityContext: user }] })), [
    'IST0144 Pod default/p',
  ]);
  assert.deepEqual(codes(pod('p', { containers: [{ ...proxy, securityContext: user }] })), []);
  assert.deepEqual(codes(pod('p', { securityContext: user, containers }, { labels: { istio: 'pilot' } })), []);
  assert.deepEqual(codes(deployment('d', { spec: { securityContext: user, containers } })), [
    'IST0144 Deployment default/d',
  ]);
  assert.deepEqual(codes(pod('p', { securityContext: { runAsUser: 1000 }, containers })), []);
});

describe('injection', () => {
  const enabled = { 'istio-injection': 'enabled' };
  const found = (text: string) => findingsOf('injection.Analyzer', text);

  test('namespaces that do not say whether they are of the mesh', () => {
    assert.deepEqual(found(namespace('quiet')), [
      "IST0102 3 Namespace quiet: The namespace is not enabled for Istio injection. Run 'kubectl label namespace quiet istio-injection=enabled' to enable it, or 'kubectl label namespace quiet istio-injection=disabled' to explicitly mark it as not needing injection.",
    ]);
    for (const labels of [enabled, { 'istio-injection': 'disabled' }, { 'istio.io/rev': 'x' }]) {
      assert.deepEqual(found(namespace('loud', labels)), []);
    }
    assert.deepEqual(found(namespace('istio-system') + namespace('kube-system')), []);
    assert.deepEqual(found(namespace('ambient', { 'istio.io/dataplane-mode': 'ambient' })), []);
  });

  test('namespaces of an injector that takes all', () => {
    const values = JSON.stringify({ sidecarInjectorWebhook: { enableNamespacesByDefault: true } });
    const metadata = { name: 'istio-sidecar-injector', namespace: 'istio-system' };
    const configMap = object({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { values } });
    assert.deepEqual(codesOf('injection.Analyzer', namespace('quiet') + configMap), ['IST0148 Namespace quiet']);
  });

  test('labels that say it twice', () => {
    const text = namespace('n', { ...enabled, 'istio.io/rev': 'x', 'istio.io/dataplane-mode': 'ambient' });
    assert.deepEqual(found(text), [
      'IST0123 3 Namespace n: The namespace has more than one type of injection labels [istio-injection=enabled istio.io/rev=x istio.io/dataplane-mode=ambient], which may lead to undefined behavior. Make sure only one injection label exists.',
    ]);
    assert.deepEqual(found(namespace('n', { 'istio-injection': 'disabled', 'istio.io/rev': 'x' })), []);
  });

  test('pods without their sidecar', () => {
    const missing = (spec: object, metadata: object = {}) =>
      codesOf('injection.Analyzer', namespace('default', enabled) + pod('p', spec, metadata));
    assert.deepEqual(missing({ containers }), ['IST0103 Pod default/p']);
    assert.deepEqual(missing({ containers: [...containers, proxy] }), []);
    assert.deepEqual(missing({ containers, initContainers: [proxy] }), []);
    assert.deepEqual(missing({ containers, hostNetwork: true }), []);
    assert.deepEqual(missing({ containers }, { labels: { 'sidecar.istio.io/inject': 'false' } }), []);
    assert.deepEqual(missing({ containers }, { annotations: { 'sidecar.istio.io/inject': 'false' } }), []);
    assert.deepEqual(missing({ containers }, { namespace: 'elsewhere' }), []);
  });

  test('sidecars of another version', () => {
    const injector = (name: string, global: object) =>
      object({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'istio-system' },
        data: { values: JSON.stringify({ global }) },
      });
    const text = (image: string, rest = '') =>
      namespace('n', enabled) +
      injector('istio-sidecar-injector', { hub: 'docker.io', tag: '1', proxy: { image: 'proxyv2' } }) +
      pod('p', { containers: [{ name: 'istio-proxy', image }] }, { namespace: 'n' }) +
      rest;
    const codes = (input: string) => codesOf('injection.ImageAnalyzer', input);
    assert.deepEqual(codes(text('docker.io/proxyv2:1')), []);
    assert.deepEqual(codes(text('docker.io/proxyv2:0')), ['IST0158 Namespace n']);
    assert.deepEqual(codes(text('docker.io/proxyv2:1-debug')), ['IST0158 Namespace n']);
    const debug = object({
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'ProxyConfig',
      metadata: { name: 'c', namespace: 'n' },
      spec: { image: { imageType: 'debug' } },
    });
    assert.deepEqual(codes(text('docker.io/proxyv2:1-debug', debug)), []);
    assert.deepEqual(findingsOf('injection.ImageAnalyzer', text('x')), [
      'IST0158 3 Namespace n: The Istio proxy images of the pods running in the namespace do not match the image defined in the injection configuration (pod names: [p]). This often happens after upgrading the Istio control-plane and can be fixed by redeploying the pods.',
    ]);
    const absolute =
      namespace('n', { 'istio.io/rev': 'canary' }) +
      injector('istio-sidecar-injector-canary', { proxy: { image: 'example.com/own:2' } }) +
      pod('p', { containers: [{ name: 'istio-proxy', image: 'example.com/own:2' }] }, { namespace: 'n' });
    assert.deepEqual(codes(absolute), []);
  });

  test('images that the injector is to choose', () => {
    const auto = { containers: [{ name: 'istio-proxy', image: 'auto' }] };
    const webhook = (matchLabels: object) =>
      object({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: { name: 'istio-sidecar-injector' },
        webhooks: [{ name: 'x.istio.io', namespaceSelector: { matchLabels }, clientConfig: {} }],
      });
    const codes = (text: string) => codesOf('injection.ImageAutoAnalyzer', text);
    assert.deepEqual(codes(pod('p', auto) + webhook({})), ['IST0147 Pod default/p']);
    assert.deepEqual(codes(deployment('d', { spec: auto })), ['IST0146 Deployment default/d']);
    assert.deepEqual(codes(deployment('d', { spec: auto }) + webhook({})), []);
    assert.deepEqual(codes(deployment('d', { spec: auto }) + webhook(enabled)), ['IST0146 Deployment default/d']);
    assert.deepEqual(codes(deployment('d', { spec: auto }) + webhook(enabled) + namespace('default', enabled)), []);
  });
});

describe('several services of one deployment', () => {
  const inMesh = { app: 'web', 'sidecar.istio.io/inject': 'true' };
  const web = deployment('web', { metadata: { labels: inMesh }, spec: { containers } });
  const selector = { app: 'web' };
  const found = (text: string) => findingsOf('deployment.MultiServiceAnalyzer', text);

  test('one port, two protocols', () => {
    const text =
      web +
      service('a', { selector, ports: [{ port: 53, protocol: 'UDP' }] }) +
      service('b', { selector, ports: [{ port: 53 }] });
    assert.deepEqual(found(text), [
      'IST0116 3 Deployment default/web: This deployment web is associated with multiple services using port 53 but different protocols: [default/a default/b]',
    ]);
  });

  test('two ports, one target', () => {
    const text =
      web +
      service('a', { selector, ports: [{ port: 80, targetPort: 8080 }] }) +
      service('b', { selector, ports: [{ port: 8080 }] });
    assert.deepEqual(found(text), [
      'IST0137 3 Deployment default/web: This deployment web is associated with multiple services [default/a default/b] using targetPort "8080" but different ports: [80 8080].',
    ]);
  });

  test('no matter: other namespaces, no selector, out of the mesh', () => {
    const other = service('b', { selector, ports: [{ port: 53, protocol: 'UDP' }] }, { namespace: 'elsewhere' });
    const all = service('c', { ports: [{ port: 53, protocol: 'UDP' }] });
    const one = service('a', { selector, ports: [{ port: 53 }] });
    assert.deepEqual(found(web + one + other + all), []);
    const outside = deployment('web', { metadata: { labels: { app: 'web' } }, spec: { containers } });
    const two = one + service('b', { selector, ports: [{ port: 53, protocol: 'UDP' }] });
    assert.deepEqual(found(outside + two), []);
    assert.equal(found(outside + two + namespace('default', { 'istio-injection': 'enabled' })).length, 1);
  });
});
