import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a Sidecar with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{egress: [{hosts: ["./*", "istio-system/*", "*/a.com", "~/*"]}]}'],
  ['{}', ''],
  ['{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}'],
  ['{egress: [{hosts: []}]}', 'egress[0].hosts'],
  [
    '{egress: [{hosts: [a.com, "x y/*", "./short", "./*a.com"]}]}',
    'egress[0].hosts[0]',
    'egress[0].hosts[1]',
    'egress[0].hosts[2]',
    'egress[0].hosts[3]',
  ],
  ['{egress: [{hosts: ["./*", "b/a.com"]}]}', '~egress[0].hosts[1]'],
  ['{egress: [{hosts: ["*/*", "x/a.com"]}]}', '~egress[0].hosts'],
  ['{egress: [{hosts: ["./*"]}, {port: {number: 80, protocol: HTTP}, hosts: ["./*"]}]}', 'egress[0]'],
  [
    '{egress: [{port: {number: 80}, hosts: ["./*"]}, {port: {number: 80, protocol: nope, targetPort: 1}, bind: a, hosts: ["./*"]}]}',
    'egress[1].port.number',
    'egress[1].port.protocol',
    'egress[1].port.targetPort',
    'egress[1].bind',
  ],
  ['{egress: [{port: {number: 0}, bind: 1.2.3.4, hosts: ["./*"]}]}', 'egress[0].bind'],
  [
    '{egress: [{port: {number: 0}, bind: "unix:///x", captureMode: IPTABLES, hosts: ["./*"]}]}',
    'egress[0].captureMode',
  ],
  [
    '{ingress: [{port: {number: 80, protocol: HTTP, name: a}, defaultEndpoint: "127.0.0.1:8080"}, {port: {number: 81}, defaultEndpoint: "unix:///x"}]}',
  ],
  [
    '{ingress: [{port: {number: 80, name: "a b"}, defaultEndpoint: "10.0.0.1:80"}, {port: {number: 80}, defaultEndpoint: "127.0.0.1:x"}]}',
    'ingress[0].port.name',
    'ingress[0].defaultEndpoint',
    'ingress[1].port.number',
    'ingress[1].defaultEndpoint',
  ],
  ['{ingress: [{port: {number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, serverCertificate: a, privateKey: b}}]}'],
  [
    '{ingress: [{port: {number: 443, protocol: HTTP}, tls: {mode: ISTIO_MUTUAL, httpsRedirect: true, subjectAltNames: [x]}}]}',
    'ingress[0].tls',
    'ingress[0].tls.mode',
    'ingress[0].tls.httpsRedirect',
    'ingress[0].tls.subjectAltNames',
  ],
  [
    '{ingress: [{port: {number: 80, protocol: TCP}, connectionPool: {http: {maxRetries: 1}}}]}',
    '~ingress[0].connectionPool.http',
  ],
  ['{inboundConnectionPool: {}}', 'inboundConnectionPool'],
  ['{outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.com}}}', 'outboundTrafficPolicy.egressProxy'],
  ['{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.com}}}', 'outboundTrafficPolicy.egressProxy.port'],
  ['{workloadSelector: {labels: {a: "*"}}, egress: [{hosts: ["./*"]}]}', 'workloadSelector.labels.a'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
