import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a Gateway with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const server = (rest: string): string =>
  `{servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: ["*"], ${rest}}]}`;

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{servers: [{port: {number: 80, name: http, protocol: http}, hosts: ["*"]}]}'],
  ['{}', 'servers'],
  ['{servers: []}', 'servers'],
  ['{servers: [{hosts: []}]}', 'servers[0].port'],
  [
    '{servers: [{port: {number: 0, name: "", protocol: kafka, targetPort: 1}, hosts: []}]}',
    'servers[0].hosts',
    'servers[0].port.number',
    'servers[0].port.name',
    'servers[0].port.protocol',
    'servers[0].port.targetPort',
  ],
  [
    '{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"]}, {port: {number: 81, name: a, protocol: HTTP}, hosts: ["*"]}]}',
    'servers[1].port.name',
  ],
  [
    '{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [short, "*a.com", "./a.com", "x y/a.com", "ns/*", 10.0.0.1, "~/a.com"]}]}',
    'servers[0].hosts[0]',
    'servers[0].hosts[1]',
    'servers[0].hosts[3]',
    'servers[0].hosts[6]',
  ],
  ['{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"], bind: a.b}]}', 'servers[0].bind'],
  [
    '{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"], bind: "unix:///x/"}]}',
    'servers[0].bind',
    'servers[0].port.number',
  ],
  ['{servers: [{port: {name: a, protocol: HTTP}, hosts: ["*"], bind: "unix://@x"}]}'],
  ['{servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: ["*"]}]}', 'servers[0].tls'],
  ['{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}]}'],
  [
    '{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: x}}]}',
    'servers[0].tls',
  ],
  [
    '{servers: [{port: {number: 80, name: a, protocol: TCP}, hosts: ["*"], tls: {httpsRedirect: true}}]}',
    'servers[0].tls',
    '~servers[0].tls.httpsRedirect',
  ],
  [server('tls: {mode: SIMPLE}'), 'servers[0].tls.serverCertificate', 'servers[0].tls.privateKey'],
  [server('tls: {mode: SIMPLE, credentialName: c}')],
  [server('tls: {mode: SIMPLE, credentialNames: [a, b]}')],
  [server('tls: {mode: SIMPLE, credentialName: a, credentialNames: [b]}'), 'servers[0].tls'],
  [server('tls: {mode: MUTUAL, serverCertificate: a, privateKey: b}'), 'servers[0].tls.caCertificates'],
  [
    server('tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: a}]}'),
    'servers[0].tls.tlsCertificates[0].privateKey',
  ],
  [server('tls: {mode: SIMPLE, serverCertificate: a, privateKey: b, caCrl: c}'), 'servers[0].tls.caCrl'],
  [
    server('tls: {mode: ISTIO_MUTUAL, credentialName: a, credentialNames: [b]}'),
    'servers[0].tls.credentialName',
    'servers[0].tls.credentialNames',
  ],
  [server('tls: {mode: PASSTHROUGH, credentialName: a}'), '~servers[0].tls.mode'],
  [server('tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_1}'), '~servers[0].tls.minProtocolVersion'],
  [
    server('tls: {mode: SIMPLE, credentialName: a, cipherSuites: [AES128-SHA, AES128-SHA, NOPE, "[A|B]"]}'),
    '~servers[0].tls.cipherSuites[1]',
    '~servers[0].tls.cipherSuites[2]',
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
