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
function made(spec: string): Record<string, unknown> {
  const text = `${AROUND}{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: r, namespace: b}, spec: ${spec}}`;
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
      ...routing({ http: [{ route: [to(8443)] }] }),
      'DestinationRule/istio-system/r-b-route-0': {
        host: 'web.b.svc.cluster.local',
        exportTo: ['.'],
        workloadSelector: { matchLabels: { istio: 'ingressgateway' } },
        trafficPolicy: {
          portLevelSettings: [
            {
              port: { number: 8443 },
              tls: {
                mode: 'SIMPLE',
                credentialName: 'r-b-route-destination',
                sni: 'web.b.svc',
                subjectAltNames: ['web.b.svc', 'web.b.svc.cluster.local'],
              },
            },
          ],
        },
      },
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
