import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a Route with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const TO = 'host: a.example, to: {kind: Service, name: web}';

/** A spec, and the fields that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  [`{${TO}}`],
  [`{${TO}, subdomain: '', wildcardPolicy: None, port: {targetPort: 443}, tls: {termination: passthrough}}`],
  ['{to: {name: web}}', '~spec'],
  ['{host: a.example}', 'spec.to'],
  ['{host: "A b", to: {name: web}}', 'spec.host'],
  [`{${TO}, path: x}`, 'spec.path'],
  [`{${TO}, tls: {}}`, 'spec.tls.termination'],
  [`{${TO}, tls: {termination: both}}`, 'spec.tls.termination'],
  [`{${TO}, path: /x, tls: {termination: passthrough}}`, 'spec.path'],
  [
    `{${TO}, tls: {termination: passthrough, certificate: c, key: k, insecureEdgeTerminationPolicy: Allow}}`,
    'spec.tls.certificate',
    'spec.tls.insecureEdgeTerminationPolicy',
    'spec.tls.key',
  ],
  [`{${TO}, tls: {termination: edge, destinationCACertificate: c}}`, 'spec.tls.destinationCACertificate'],
  [`{${TO}, tls: {termination: edge, certificate: c}}`, 'spec.tls.certificate'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => assert.deepEqual(said(spec).sort(), fields.sort()));
  }
});
