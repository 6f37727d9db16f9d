import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of an object of this kind, name and spec. */
function said(kind: string, name: string, spec: string): string[] {
  const namespace = kind === 'Policy' ? ', namespace: b' : '';
  const text = `{apiVersion: authentication.istio.io/v1alpha1, kind: ${kind}, metadata: {name: ${name}${namespace}}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const JWT = 'issuer: a, jwksUri: "https://a.com/keys"';

/** A kind and name, a spec, and the fields that are at fault. */
const table: readonly (readonly [string, string, ...string[]])[] = [
  ['Policy default', '{peers: [{mtls: {}}]}'],
  ['Policy default', '{peers: [{mtls: null}]}'],
  ['Policy default', '{peers: [{mtls: {mode: PERMISSIVE}}], peerIsOptional: true}'],
  ['Policy default', '{}'],
  ['Policy other', '{peers: [{mtls: {}}]}', 'metadata.name'],
  ['Policy default', '{targets: [{name: web}]}', 'spec.targets'],
  ['Policy web', '{targets: [{name: web, ports: [{number: 80}, {name: http}]}]}'],
  [
    'Policy web',
    '{targets: [{name: web.b.svc}, {name: web, ports: [{}, {number: 80, name: http}, {number: 0}]}]}',
    'spec.targets[0].name',
    'spec.targets[1].ports[0]',
    'spec.targets[1].ports[1]',
    'spec.targets[1].ports[2].number',
  ],
  ['Policy default', '{peers: [{jwt: {issuer: a}}]}', 'spec.peers[0].jwt'],
  ['Policy default', '{peers: [{mtls: {mode: DISABLE}}]}', 'spec.peers[0].mtls.mode'],
  ['Policy default', '{peers: [{mtls: {allow_tls: true}}]}', '~spec.peers[0].mtls.allowTls'],
  ['Policy default', '{peers: [{mtls: {}}, {mtls: {}}]}', 'spec.peers'],
  ['Policy default', `{origins: [{jwt: {${JWT}}}], principalBinding: USE_ORIGIN}`, '~spec.principalBinding'],
  ['Policy default', '{origins: [{}, {jwt: {}}]}', 'spec.origins[0].jwt', 'spec.origins[1].jwt.issuer'],
  [
    'Policy default',
    '{origins: [{jwt: {issuer: a, jwks_uri: foo.com, jwks: foo, jwt_headers: [""]}}]}',
    'spec.origins[0].jwt.jwksUri',
    'spec.origins[0].jwt.jwks',
    'spec.origins[0].jwt.jwtHeaders[0]',
  ],
  [
    'Policy default',
    `{origins: [{jwt: {${JWT}, trigger_rules: [{excluded_paths: [{exact: /x}, {regex: a}, {}], included_paths: [{prefix: "/*"}]}]}}]}`,
    'spec.origins[0].jwt.triggerRules[0].excludedPaths[1].regex',
    'spec.origins[0].jwt.triggerRules[0].excludedPaths[2]',
    'spec.origins[0].jwt.triggerRules[0].includedPaths[0].prefix',
  ],
  [
    'Policy default',
    `{origins: [{jwt: {${JWT}}}, {jwt: {${JWT}, triggerRules: [{excludedPaths: [{exact: /x}]}]}}]}`,
    'spec.origins[1].jwt.triggerRules',
  ],
  ['MeshPolicy default', '{peers: [{mtls: {}}]}'],
  ['MeshPolicy other', '{peers: [{mtls: {}}]}', 'metadata.name'],
  ['MeshPolicy default', '{targets: [{name: web}]}', 'spec.targets'],
];

describe('rules', () => {
  for (const [who, spec, ...fields] of table) {
    const [kind = '', name = ''] = who.split(' ');
    test(`${who}: ${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(kind, name, spec).sort(), fields.sort());
    });
  }
});
