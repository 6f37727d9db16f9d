import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMessage } from '../../config/message.ts';
import { readObjects } from '../../config/read.ts';
import { ObjectsSnapshot } from '../../config/store/objects.ts';
import { Adapters } from '../adapters.ts';

const AROUND = `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: b}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 8443, targetPort: 443}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: own, namespace: b}, type: kubernetes.io/tls, stringData: {tls.crt: C, tls.key: K}}
---
`;

const MADE = ['Secret', 'Gateway', 'VirtualService', 'DestinationRule'] as const;

/** What is made of a Route with this spec, by kind, namespace and name; and the warnings. */
function made(spec: string, around = '', name = 'r'): Record<string, unknown> {
  const text = `${AROUND}${around}{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: ${name}, namespace: b}, spec: ${spec}}`;
  const { entries, problems } = readObjects(text, 'f.yaml');
  assert.deepEqual([...problems, ...entries.flatMap((e) => e.errors)].map(formatMessage), []);
  const written = ObjectsSnapshot.empty.next(new Map(entries.map((e) => [e.key!, e.object!])), [], []);
  const config = new Adapters().adapt(written, {});
  const objects = MADE.flatMap((kind) =>
    config
      .list(kind)
      .filter(({ metadata }) => metadata.name !== 'own')
      .map(({ metadata, raw }) => {
        const { apiVersion: _v, kind: _k, metadata: _m, ...body } = raw;
        return [`${kind}/${metadata.namespace}/${metadata.name}`, body.spec ?? body];
      }),
  );
  const warnings = config.warnings.map(({ field, message }) => `${field} ${message}`);
  return { ...Object.fromEntries(objects), ...(warnings.length > 0 ? { warnings } : {}) };
}

const gateway = (...servers: object[]) => ({
  'Gateway/istio-system/r-b-route': { selector: { istio: 'ingressgateway' }, servers },
});
const routing = (rest: object, host = 'a.example') => ({
  'VirtualService/b/r-b-route': { hosts: [host], gateways: ['istio-system/r-b-route'], ...rest },
});
const to = (number: number, weight = 100) => ({
  destination: { host: 'web.b.svc.cluster.local', port: { number } },
  weight,
});
const HTTP = { port: { number: 80, protocol: 'HTTP', name: 'http-80' }, hosts: ['a.example'] };
const HTTPS = {
  port: { number: 443, protocol: 'HTTPS', name: 'https-443' },
  hosts: ['a.example'],
  tls: { mode: 'SIMPLE', credentialName: 'r-b-route-certificate' },
};
const secret = (chain: string, key: string) => ({
  'Secret/istio-system/r-b-route-certificate': {
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': chain, 'tls.key': key },
  },
});
const toSubset = (number: number) => {
  const { destination, weight } = to(number);
  return { destination: { ...destination, subset: 'r-b-route' }, weight };
};
const SUBSET = {
  name: 'r-b-route',
  trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'r-b-route-destination', sni: 'web.b.svc' } },
};
const RULE = {
  host: 'web.b.svc.cluster.local',
  exportTo: ['.'],
  workloadSelector: { matchLabels: { istio: 'ingressgateway' } },
  subsets: [SUBSET],
};
const BASE = 'host: a.example, to: {kind: Service, name: web}';

const table: readonly (readonly [string, Record<string, unknown>])[] = [
  [
    `{${BASE}, path: /x}`,
    { ...gateway(HTTP), ...routing({ http: [{ match: [{ uri: { prefix: '/x' } }], route: [to(80)] }] }) },
  ],
  [
    `{${BASE}, port: {targetPort: 443}, tls: {termination: passthrough}}`,
    {
      ...gateway({
        port: { number: 443, protocol: 'TLS', name: 'tls-443' },
        hosts: ['a.example'],
        tls: { mode: 'PASSTHROUGH' },
      }),
      ...routing({ tls: [{ match: [{ port: 443, sniHosts: ['a.example'] }], route: [to(8443)] }] }),
    },
  ],
  [
    `{${BASE}, port: {targetPort: http}, tls: {termination: edge, certificate: C, key: K, caCertificate: A, insecureEdgeTerminationPolicy: Redirect}}`,
    {
      ...secret('C\nA\n', 'K\n'),
      ...gateway(HTTPS, { ...HTTP, tls: { httpsRedirect: true } }),
      ...routing({ http: [{ route: [to(80)] }] }),
    },
  ],
  [
    `{${BASE}, tls: {termination: edge, externalCertificate: {name: own}, insecureEdgeTerminationPolicy: Allow}}`,
    { ...secret('C', 'K'), ...gateway(HTTPS, HTTP), ...routing({ http: [{ route: [to(80)] }] }) },
  ],
  [
    `{${BASE}, port: {targetPort: https}, tls: {termination: reencrypt, certificate: C, key: K, destinationCACertificate: D}}`,
    {
      ...secret('C\n', 'K\n'),
      'Secret/istio-system/r-b-route-destination': { type: 'Opaque', stringData: { 'ca.crt': 'D\n' } },
      ...gateway(HTTPS),
      ...routing({ http: [{ route: [toSubset(8443)] }] }),
      'DestinationRule/istio-system/r-b-route-0': RULE,
    },
  ],
  [
    '{host: x.a.example, wildcardPolicy: Subdomain, to: {name: web, weight: 3}, alternateBackends: [{name: gone}]}',
    {
      ...gateway({ ...HTTP, hosts: ['*.a.example'] }),
      ...routing({ http: [{ route: [to(80, 3)] }] }, '*.a.example'),
      warnings: ['spec.alternateBackends[0] has no effect: there is no service gone in the namespace'],
    },
  ],
  [`{${BASE}, port: {targetPort: 1}}`, { warnings: ['spec.to has no effect: the service web has no port 1'] }],
  [
    `{${BASE}, tls: {termination: edge}}`,
    { warnings: ['spec.tls has no effect without certificate and key: there is no certificate of the router'] },
  ],
];

describe('what is made of a Route', () => {
  for (const [spec, expected] of table) test(spec, () => assert.deepEqual(made(spec), expected));
});

describe('a Route that encrypts anew', () => {
  const REENCRYPT = `{${BASE}, port: {targetPort: https}, tls: {termination: reencrypt, certificate: C, key: K, destinationCACertificate: D}}`;
  const rule = (name: string, namespace: string, spec: string) =>
    `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}\n---\n`;
  const policy = (simple: string) => ({ trafficPolicy: { loadBalancer: { simple } } });
  const POLICY = (simple: string) => `trafficPolicy: {loadBalancer: {simple: ${simple}}}`;
  const V1 = { name: 'v1', labels: { version: '1' } };
  const rows: readonly (readonly [string, string, object])[] = [
    ['none', '', {}],
    [
      'those of the service',
      rule('one', 'b', `{host: web, ${POLICY('RANDOM')}, subsets: [{name: v1, labels: {version: '1'}}]}`) +
        rule('two', 'b', `{host: web.b.svc.cluster.local, subsets: [{name: v2, labels: {version: '2'}}]}`) +
        rule('wide', 'b', `{host: '*.b.svc.cluster.local', ${POLICY('PASSTHROUGH')}}`),
      { ...policy('RANDOM'), subsets: [SUBSET, V1, { name: 'v2', labels: { version: '2' } }] },
    ],
    [
      "the gateway's before those",
      rule('one', 'b', `{host: web, ${POLICY('RANDOM')}}`) +
        rule('two', 'istio-system', `{host: '*.svc.cluster.local', ${POLICY('LEAST_REQUEST')}}`),
      policy('LEAST_REQUEST'),
    ],
    ['not what the gateway does not see', rule('one', 'b', `{host: web, exportTo: [b], ${POLICY('RANDOM')}}`), {}],
    ["not others'", rule('one', 'c', `{host: web.b.svc.cluster.local, ${POLICY('RANDOM')}}`), {}],
  ];
  for (const [name, around, says] of rows) {
    test(`repeats the rules that its own hides: ${name}`, () => {
      const own = made(REENCRYPT, around)['DestinationRule/istio-system/r-b-route-0'];
      assert.deepEqual(own, { ...RULE, ...says });
    });
  }

  test('is named so that it can be referred to, whatever the name of the Route', () => {
    const all = made(REENCRYPT, '', 'r.of.dots');
    const names = Object.keys(all).map((key) => key.split('/').slice(1).join('/'));
    const name = names.find((own) => own.startsWith('b/'))!.split('/')[1]!;
    assert.match(name, /^route-[0-9a-f]{16}$/);
    const ofGateway = [`${name}-certificate`, `${name}-destination`, name].map((own) => `istio-system/${own}`);
    assert.deepEqual([...names].sort(), [`b/${name}`, ...ofGateway, `istio-system/${name}-0`].sort());
  });
});
