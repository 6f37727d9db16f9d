import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codesOf, findingsOf } from '../../../test/support/findings.ts';

const object = (apiVersion: string, kind: string, name: string, namespace: string, spec: object, rest = {}): string =>
  `\n---\n${JSON.stringify({ apiVersion, kind, metadata: { name, namespace, ...rest }, spec })}\n`;
const service = (name: string, namespace: string, spec: object, rest = {}) =>
  object('v1', 'Service', name, namespace, spec, rest);
const entry = (name: string, namespace: string, spec: object) =>
  object('networking.istio.io/v1', 'ServiceEntry', name, namespace, spec);
const rule = (name: string, namespace: string, spec: object) =>
  object('networking.istio.io/v1', 'DestinationRule', name, namespace, spec);
const pod = (name: string, namespace: string, labels: object, nodeName?: string) =>
  object('v1', 'Pod', name, namespace, { containers: [{ name: 'web', image: 'web' }], nodeName }, { labels });

describe('names of ports', () => {
  const found = (spec: object, rest = {}, namespace = 'a') =>
    findingsOf('service.PortNameAnalyzer', service('web', namespace, spec, rest));
  const ports = (...list: object[]) => ({ ports: list });

  test('names and protocols that tell', () => {
    const known = [
      { name: 'http', port: 80 },
      { name: 'http2-web', port: 80 },
      { name: 'web', appProtocol: 'https', port: 80 },
      { name: 'dns', port: 5353, protocol: 'UDP' },
      { port: 3306 },
    ];
    for (const port of known) assert.deepEqual(found(ports(port)), []);
  });

  test('names that do not', () => {
    assert.deepEqual(found(ports({ name: 'web', port: 80, targetPort: 'main' }, { port: 81 })), [
      "IST0118 3 Service a/web: Port name  (port: 81, targetPort: 0) doesn't follow the naming convention of Istio port.",
      "IST0118 3 Service a/web: Port name web (port: 80, targetPort: main) doesn't follow the naming convention of Istio port.",
    ]);
  });

  test('services of the control plane and of Kubernetes are not looked at', () => {
    assert.deepEqual(found(ports({ port: 80 }), { labels: { istio: 'pilot' } }), []);
    assert.deepEqual(found(ports({ port: 80 }), { labels: { release: 'istio' } }), []);
    assert.deepEqual(found(ports({ port: 80 }), {}, 'kube-system'), []);
  });

  test('services that are another name for a host', () => {
    const named = (name: string) =>
      found({ type: 'ExternalName', externalName: 'x.example.com', ports: [{ name, port: 80 }] });
    assert.match(named('tcp')[0]!, /^IST0150 3 Service a\/web: Port name for ExternalName service is invalid\. /);
    assert.equal(named('web').length, 1);
    assert.deepEqual(named('tcp-web'), []);
    assert.deepEqual(named('http'), []);
  });
});

describe('service entries', () => {
  test('TCP without an address', () => {
    const found = (spec: object, meshConfig = '') =>
      findingsOf('serviceentry.Analyzer', entry('e', 'a', { hosts: ['db.example.com'], ...spec }), {
        meshConfig: { text: meshConfig, file: 'm.yaml' },
      });
    const ports = [
      { number: 1, name: 'one', protocol: 'tcp' },
      { number: 2, name: 'two', protocol: 'TLS' },
    ];
    assert.deepEqual(found({ ports }), [
      'IST0134 3 ServiceEntry a/e: ServiceEntry addresses are required for this protocol.',
    ]);
    assert.deepEqual(found({ ports, addresses: ['10.0.0.1'] }), []);
    assert.deepEqual(found({ ports: [{ number: 1, name: 'one' }] }).length, 1);
    const metadata = (name: string) =>
      `defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true", ${name}: "true"}}`;
    assert.deepEqual(found({ ports }, metadata('ISTIO_META_DNS_AUTO_ALLOCATE')), []);
    assert.deepEqual(found({ ports }, metadata('PILOT_ENABLE_IP_AUTOALLOCATE')), []);
    assert.equal(found({ ports }, metadata('OTHER')).length, 1);
  });

  test('an address that the control plane has found', () => {
    const spec = { hosts: ['db.example.com'], ports: [{ number: 1, name: 'one', protocol: 'TCP' }] };
    const status = { addresses: [{ value: '240.240.0.1' }] };
    const text = JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'e' },
      spec,
      status,
    });
    assert.deepEqual(findingsOf('serviceentry.Analyzer', text), []);
  });

  test('protocols that disagree where both are seen', () => {
    const codes = (text: string) => codesOf('serviceentry.ConflictingServiceEntryProtocolAnalyzer', text);
    const spec = (protocol: string, exportTo?: string[]) => ({
      hosts: ['x.example.com'],
      ports: [{ number: 80, name: 'p', protocol }],
      ...(exportTo && { exportTo }),
    });
    const both = ['IST0177 ServiceEntry a/e', 'IST0177 ServiceEntry b/f'];
    assert.deepEqual(codes(entry('e', 'a', spec('HTTP')) + entry('f', 'b', spec('TLS'))), both);
    assert.deepEqual(codes(entry('e', 'a', spec('HTTP')) + entry('f', 'b', spec('http'))), []);
    assert.deepEqual(codes(entry('e', 'a', spec('HTTP', ['.'])) + entry('f', 'b', spec('TLS', ['.']))), []);
    assert.deepEqual(codes(entry('e', 'a', spec('HTTP', ['.'])) + entry('f', 'b', spec('TLS', ['a']))), both);
    assert.deepEqual(codes(entry('e', 'a', spec('HTTP', ['.'])) + entry('f', 'b', spec('TLS'))), both);
  });
});

describe('destination rules', () => {
  const web = service('web', 'a', { selector: { app: 'web' }, ports: [{ port: 80 }] });

  test('for hosts that there are not', () => {
    const codes = (host: string, text = web) =>
      codesOf('destinationrule.SubsetSelectPodAnalyzer', rule('r', 'a', { host }) + text);
    assert.deepEqual(codes('web'), []);
    assert.deepEqual(codes('web.a.svc.cluster.local'), []);
    assert.deepEqual(codes('gone'), ['IST0174 DestinationRule a/r']);
    assert.deepEqual(codes('x.example.com', entry('e', 'b', { hosts: ['*.example.com'] })), []);
    assert.deepEqual(codes('x.example.com', entry('e', 'b', { hosts: ['*.example.com'], exportTo: ['.'] })), [
      'IST0174 DestinationRule a/r',
    ]);
  });

  test('subsets without a pod', () => {
    const subsets = [
      { name: 'v1', labels: { version: 'v1' } },
      { name: 'v2', labels: { version: 'v2' } },
    ];
    const text = rule('r', 'a', { host: 'web', subsets }) + web;
    const v1 = pod('web-1', 'a', { app: 'web', version: 'v1' });
    const other = pod('other', 'a', { app: 'other', version: 'v2' });
    assert.deepEqual(findingsOf('destinationrule.SubsetSelectPodAnalyzer', text + v1 + other), [
      'IST0173 3 DestinationRule a/r: The Subset v2 defined in the DestinationRule does not select any pods. Which may lead to 503 UH (NoHealthyUpstream).',
    ]);
  });

  test('subsets by the place of the node', () => {
    const subsets = [
      { name: 'here', labels: { 'topology.kubernetes.io/region': 'r1', 'kubernetes.io/hostname': 'n1' } },
    ];
    const text = rule('r', 'a', { host: 'web', subsets }) + web + pod('web-1', 'a', { app: 'web' }, 'n1');
    const node = object('v1', 'Node', 'n1', '', {}, { labels: { 'topology.kubernetes.io/region': 'r1' } });
    assert.deepEqual(codesOf('destinationrule.SubsetSelectPodAnalyzer', text), ['IST0173 DestinationRule a/r']);
    assert.deepEqual(codesOf('destinationrule.SubsetSelectPodAnalyzer', text + node), []);
  });

  test('TLS without a certificate to check', () => {
    const found = (spec: object) =>
      findingsOf('destinationrule.CaCertificateAnalyzer', rule('r', 'a', { host: 'x', ...spec }));
    assert.deepEqual(found({ trafficPolicy: { tls: { mode: 'SIMPLE' } } }), [
      'IST0128 3 DestinationRule a/r: DestinationRule a/r in namespace a has TLS mode set to SIMPLE but no caCertificates are set to validate server identity for host: x',
    ]);
    const portLevelSettings = [
      { port: { number: 443 }, tls: { mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k' } },
    ];
    assert.deepEqual(found({ trafficPolicy: { portLevelSettings } }), [
      'IST0129 3 DestinationRule a/r: DestinationRule a/r in namespace a has TLS mode set to MUTUAL but no caCertificates are set to validate server identity for host: x at port number:443',
    ]);
    assert.deepEqual(found({ trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }), []);
    const tls = { mode: 'SIMPLE', credentialName: 'c' };
    assert.equal(found({ trafficPolicy: { tls } }).length, 1);
    assert.deepEqual(found({ trafficPolicy: { tls }, workloadSelector: { matchLabels: { app: 'x' } } }), []);
  });

  test('what is encrypted already', () => {
    const https = entry('e', 'a', { hosts: ['x.example.com'], ports: [{ number: 443, name: 'p', protocol: 'HTTPS' }] });
    const http = entry('e', 'a', { hosts: ['x.example.com'], ports: [{ number: 443, name: 'p', protocol: 'HTTP' }] });
    const found = (trafficPolicy: object, text = https) =>
      findingsOf('isthmus.DoubleTlsAnalyzer', rule('r', 'a', { host: 'x.example.com', trafficPolicy }) + text);
    const simple = { mode: 'SIMPLE' };
    assert.match(
      found({ tls: simple })[0]!,
      /^ISTH0006 3 DestinationRule a\/r: Port 443 of host x\.example\.com carries TLS already \(protocol HTTPS in ServiceEntry a\/e\)/,
    );
    assert.deepEqual(found({ tls: simple }, http), []);
    assert.deepEqual(found({ tls: { mode: 'ISTIO_MUTUAL' } }), []);
    assert.equal(found({ portLevelSettings: [{ port: { number: 443 }, tls: simple }] }).length, 1);
    assert.deepEqual(
      found({ tls: simple, portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'DISABLE' } }] }),
      [],
    );
    assert.equal(
      found({ tls: simple, portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }] }).length,
      1,
    );
  });
});
