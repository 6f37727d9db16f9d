import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a RequestAuthentication with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{jwtRules: [{issuer: a, jwksUri: "https://a.com/keys"}]}'],
  ['{jwtRules: [{}]}', 'jwtRules[0]'],
  [
    '{jwtRules: [{issuer: a, audiences: [""], fromHeaders: [{prefix: x}], fromParams: [""], fromCookies: [""], timeout: 0s}]}',
    'jwtRules[0].audiences[0]',
    'jwtRules[0].fromHeaders[0].name',
    'jwtRules[0].fromParams[0]',
    'jwtRules[0].fromCookies[0]',
    'jwtRules[0].timeout',
  ],
  [
    '{jwtRules: [{issuer: a, outputClaimToHeaders: [{header: "a b", claim: c}, {}]}]}',
    'jwtRules[0].outputClaimToHeaders[0].header',
    'jwtRules[0].outputClaimToHeaders[1].header',
    'jwtRules[0].outputClaimToHeaders[1].claim',
  ],
  [
    '{jwtRules: [{issuer: a, jwksUri: foo.com}, {issuer: a, jwksUri: "https://a:x/"}, {issuer: a, jwksUri: "https://a b/"}]}',
    'jwtRules[0].jwksUri',
    'jwtRules[1].jwksUri',
    'jwtRules[2].jwksUri',
  ],
  [
    `{jwtRules: [{issuer: a, jwks: '{"keys":[]}'}, {issuer: a, jwks: 'foo'}, {issuer: a, jwks: '[]'}, {issuer: a, jwks: '{"keys":[{"kty":"RSA"}]}'}]}`,
    'jwtRules[1].jwks',
    'jwtRules[2].jwks',
    'jwtRules[3].jwks',
  ],
  [`{jwtRules: [{issuer: a, jwks: '{"keys":[{"kty":"oct","k":"AAAA"}]}'}]}`, '~jwtRules[0].jwks'],
  ['{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: g}]}', ''],
  [
    '{targetRefs: [{kind: Service, name: s}, {kind: Gateway, name: g}, {kind: Service, name: "", namespace: x}]}',
    'targetRefs[1].kind',
    'targetRefs[2].name',
    'targetRefs[2].namespace',
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
