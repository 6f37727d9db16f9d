import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { codesOf, findingsOf } from '../../../test/support/findings.ts';
import { type TestCertificate, TestPki } from '../../../test/support/pki.ts';
import { scratch } from '../../../test/support/reference.ts';

const server = (port: number, protocol: string, rest = 'hosts: [a.example.com]') =>
  `{port: {number: ${port}, name: p${port}, protocol: ${protocol}}, ${rest}}`;
const gateway = (name: string, servers: string, selector = '{app: edge}', namespace = 'default') => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  selector: ${selector}
  servers: [${servers}]
`;
const pod = (labels: string, namespace = 'edges') => `
---
{apiVersion: v1, kind: Pod, metadata: {name: edge-1, namespace: ${namespace}, labels: ${labels}}, spec: {containers: [{name: p, command: [p]}]}}
`;
const service = (ports: string, labels = '{}', namespace = 'edges') => `
---
{apiVersion: v1, kind: Service, metadata: {name: edge, namespace: ${namespace}, labels: ${labels}}, spec: {selector: {app: edge}, ports: [${ports}]}}
`;

describe('ports of gateways', () => {
  const codes = (text: string) => codesOf('gateway.IngressGatewayPortAnalyzer', text);

  test('a gateway without a pod', () => {
    assert.deepEqual(
      findingsOf('gateway.IngressGatewayPortAnalyzer', gateway('g', server(80, 'HTTP'), '{b: c, a: d}')),
      ['IST0101 7 Gateway default/g: Referenced selector not found: "a=d,b=c"'],
    );
  });

  test('without an installation an ingress gateway is taken to be there', () => {
    const at = (port: number) => codes(gateway('g', server(port, 'HTTP'), '{istio: ingressgateway}'));
    assert.deepEqual(at(443), []);
    assert.deepEqual(at(8443), ['IST0162 Gateway default/g']);
    const options = { meshConfig: { text: 'ingressControllerMode: "OFF"', file: 'm' } };
    const text = gateway('g', server(443, 'HTTP'), '{istio: ingressgateway}');
    assert.deepEqual(codesOf('gateway.IngressGatewayPortAnalyzer', text, options), ['IST0101 Gateway default/g']);
  });

  test('a port is that of the service, or the one that it leads to', () => {
    const edge =
      pod('{app: edge}') + service('{port: 80, targetPort: 8080}, {port: 53, targetPort: 5353, protocol: UDP}');
    assert.deepEqual(codes(gateway('g', `${server(80, 'HTTP')}, ${server(8080, 'HTTP')}`) + edge), []);
    assert.deepEqual(codes(gateway('g', `${server(81, 'HTTP')}, ${server(5353, 'HTTP')}`) + edge), [
      'IST0162 Gateway default/g',
      'IST0162 Gateway default/g',
    ]);
    const label = '{experimental.istio.io/disable-gateway-port-translation: "true"}';
    const exact = pod('{app: edge}') + service('{port: 80, targetPort: 8080}', label);
    assert.deepEqual(codes(gateway('g', server(8080, 'HTTP')) + exact), []);
    assert.deepEqual(codes(gateway('g', server(80, 'HTTP')) + exact), ['IST0162 Gateway default/g']);
  });

  test('a service of another namespace is not that of the pod', () => {
    const text = gateway('g', server(80, 'HTTP')) + pod('{app: edge}') + service('{port: 80}', '{}', 'elsewhere');
    assert.deepEqual(codes(text), ['IST0162 Gateway default/g']);
  });
});

describe('gateways that share a workload', () => {
  const conflicts = (text: string) => findingsOf('gateway.ConflictingGatewayAnalyzer', text);

  test('the same host on the same port', () => {
    const text = gateway('one', server(80, 'HTTP')) + gateway('two', server(80, 'TCP'));
    assert.deepEqual(conflicts(text), [
      'IST0145 8 Gateway default/one: Conflict with gateways default/two (workload selector app=edge, port 80, hosts a.example.com).',
      'IST0145 16 Gateway default/two: Conflict with gateways default/one (workload selector app=edge, port 80, hosts a.example.com).',
    ]);
  });

  test('other hosts, ports, addresses and workloads are no conflict', () => {
    const one = gateway('one', server(80, 'HTTP'));
    for (const other of [
      gateway('two', server(80, 'HTTP', 'hosts: [b.example.com]')),
      gateway('two', server(81, 'HTTP')),
      gateway('two', server(80, 'HTTP', 'bind: 10.0.0.1, hosts: [a.example.com]')),
      gateway('two', server(80, 'HTTP'), '{app: other}'),
    ]) {
      assert.deepEqual(conflicts(one + other), []);
    }
  });

  test('selectors that differ meet in a pod', () => {
    const text = gateway('one', server(80, 'HTTP')) + gateway('two', server(80, 'HTTP'), '{tier: front}');
    assert.deepEqual(conflicts(text), []);
    assert.equal(conflicts(text + pod('{app: edge, tier: front}')).length, 2);
  });

  test('protocols that cannot share a port: the later server is left out', () => {
    const text =
      gateway('one', server(80, 'HTTP')) +
      gateway('two', server(80, 'TCP', 'hosts: [b.example.com]')) +
      gateway('three', server(80, 'GRPC', 'hosts: [c.example.com]'));
    const [finding, ...more] = findingsOf('isthmus.GatewayProtocolAnalyzer', text);
    assert.match(finding!, /^ISTH0004 16 Gateway default\/two: Port 80 is TCP here and HTTP in Gateway default\/one, /);
    // GRPC goes with HTTP, but it comes after TCP as well, which was never there.
    assert.equal(more.length, 0);
  });
});

test('certificates that gateways share', () => {
  const tls = (name: string) =>
    server(443, 'HTTPS', `hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: ${name}}`);
  const codes = (text: string) => codesOf('gateway.CertificateAnalyzer', text);
  assert.deepEqual(codes(gateway('one', tls('c')) + gateway('two', tls('c'))), [
    'IST0138 Gateway default/one',
    'IST0138 Gateway default/two',
  ]);
  assert.deepEqual(codes(gateway('one', tls('c')) + gateway('two', tls('d'))), []);
  // What selects less selects what selects more, not the other way round.
  assert.deepEqual(codes(gateway('one', tls('c')) + gateway('two', tls('c'), '{app: edge, x: z}')), [
    'IST0138 Gateway default/one',
  ]);
});

describe('secrets of gateways', () => {
  let valid: TestCertificate;
  let other: TestCertificate;
  before(async () => {
    const pki = await TestPki.make(scratch({ after: (fn) => void process.on('exit', fn) }));
    valid = await pki.issue({ dnsNames: ['a.example.com'] });
    other = await pki.issue({ dnsNames: ['b.example.com'] });
  });
  const text = (name: string, secrets: string) =>
    gateway('g', server(443, 'HTTPS', `hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: ${name}}`)) +
    pod('{app: edge}') +
    secrets;
  const secret = (data: Readonly<Record<string, string>>, namespace = 'edges') =>
    `\n---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cert', namespace }, stringData: data })}\n`;
  const DAY_MS = 86_400_000;
  const found = (analyzer: string, input: string, later = 0) =>
    findingsOf(analyzer, input, { now: Date.now() + later });

  test('missing, or in another namespace than the pods', () => {
    const elsewhere = secret({ cert: valid.cert, key: valid.key }, 'default');
    assert.deepEqual(found('gateway.SecretAnalyzer', text('cert', elsewhere)), [
      'IST0101 8 Gateway default/g: Referenced credentialName not found: "cert"',
    ]);
    assert.deepEqual(found('gateway.SecretAnalyzer', text('kubernetes://default/cert', elsewhere)), []);
    assert.deepEqual(found('gateway.SecretAnalyzer', text('builtin://', elsewhere)), []);
  });

  test('files without any secret say nothing about secrets, a mesh without any does', () => {
    assert.deepEqual(found('gateway.SecretAnalyzer', text('cert', '')), []);
    assert.equal(findingsOf('gateway.SecretAnalyzer', text('cert', ''), { complete: true }).length, 1);
  });

  test('with a certificate that is valid, under either pair of names', () => {
    for (const [certificate, key] of [
      ['cert', 'key'],
      ['tls.crt', 'tls.key'],
    ] as const) {
      const good = text('cert', secret({ [certificate]: valid.cert, [key]: valid.key }));
      assert.deepEqual(found('gateway.SecretAnalyzer', good), []);
      assert.deepEqual(found('isthmus.GatewayCredentialAnalyzer', good), []);
    }
  });

  const wrong: readonly [string, () => Readonly<Record<string, string>>, RegExp, boolean, number?][] = [
    [
      'expired',
      () => ({ cert: valid.cert, key: valid.key }),
      /certificate expired on \d{4}-\d\d-\d\d\.$/,
      true,
      DAY_MS,
    ],
    ['of tomorrow', () => ({ cert: valid.cert, key: valid.key }), /certificate is valid only from /, true, -DAY_MS],
    ['not PEM', () => ({ cert: 'x', key: valid.key }), /certificate is not a certificate in PEM\.$/, true],
    ['without a key', () => ({ cert: valid.cert }), /neither tls\.crt and tls\.key nor cert and key\.$/, true],
    ['of another key', () => ({ cert: valid.cert, key: other.key }), /key does not belong to its cert/, false],
    ['with a broken key', () => ({ cert: valid.cert, key: 'x' }), /key is not a private key in PEM\.$/, false],
  ];
  for (const [name, data, why, istioSees, later] of wrong) {
    test(name, () => {
      const input = text('cert', secret(data()));
      const [finding, ...more] = found('isthmus.GatewayCredentialAnalyzer', input, later);
      assert.match(finding!, /^ISTH0003 \d+ Secret edges\/cert: Secret edges\/cert, which Gateway default\/g uses, /);
      assert.match(finding!, why);
      assert.equal(more.length, 0);
      assert.ok(!finding!.includes(valid.key));
      const istio = found('gateway.SecretAnalyzer', input, later);
      assert.deepEqual(
        istio,
        istioSees
          ? [
              'IST0161 8 Gateway default/g: The credential referenced by the Gateway g in namespace edges is invalid, which can cause the traffic not to work as expected.',
            ]
          : [],
      );
    });
  }

  test('the CA of clients: in the same secret, in one beside it, in one of its own', () => {
    const mutual = (tls: string, ...secrets: string[]) => {
      const servers = server(443, 'HTTPS', `hosts: [a.example.com], tls: {mode: MUTUAL, ${tls}}`);
      return found('isthmus.GatewayCredentialAnalyzer', gateway('g', servers) + pod('{app: edge}') + secrets.join(''));
    };
    const pair = { cert: valid.cert, key: valid.key };
    const named = (name: string, data: Readonly<Record<string, string>>) =>
      secret(data).replace('"name":"cert"', `"name":"${name}"`);
    const one = 'credentialName: cert';
    assert.deepEqual(mutual(one, secret({ ...pair, cacert: valid.cert })), []);
    assert.deepEqual(mutual(one, secret(pair), named('cert-cacert', { 'ca.crt': valid.cert })), []);
    assert.deepEqual(mutual(`${one}, caCertCredentialName: ca`, secret(pair), named('ca', { cacert: valid.cert })), []);
    const start =
      /^ISTH0003 \d+ Secret edges\/cert: .* is of no use: it has neither ca\.crt nor cacert, which this mode/;
    assert.match(mutual(one, secret(pair)).join(), start);
    assert.match(
      mutual(one, secret({ ...pair, cacert: 'x' })).join(),
      / its CA certificate is not a certificate in PEM/,
    );
    assert.deepEqual(mutual(`${one}, caCertCredentialName: ca`, secret(pair)), [
      'IST0101 8 Gateway default/g: Referenced caCertCredentialName not found: "ca"',
    ]);
    assert.match(
      mutual(one, secret(pair), named('cert-cacert', pair)).join(),
      /^ISTH0003 \d+ Secret edges\/cert-cacert/,
    );
  });
});
