import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a AuthorizationPolicy with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{}'],
  ['{rules: [{}]}'],
  ['{action: DENY}', 'rules'],
  ['{action: CUSTOM, rules: [{}]}', 'provider.name'],
  ['{action: CUSTOM, rules: []}', 'rules'],
  ['{provider: {name: x}}', 'provider'],
  [
    '{rules: [{from: [{}, {source: {}}, {source: {principals: [""]}}]}]}',
    'rules[0].from[0].source',
    'rules[0].from[1].source',
    'rules[0].from[2].source.principals[0]',
  ],
  [
    '{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8, 1.2.3, 10.0.0.0/33]}}]}]}',
    'rules[0].from[0].source.ipBlocks[1]',
    'rules[0].from[0].source.ipBlocks[2]',
  ],
  [
    '{rules: [{from: [{source: {serviceAccounts: [a, n/a, a/b/c, "a*", /a]}}]}]}',
    'rules[0].from[0].source.serviceAccounts[2]',
    'rules[0].from[0].source.serviceAccounts[3]',
    'rules[0].from[0].source.serviceAccounts[4]',
  ],
  ['{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}', 'rules[0].from[0].source'],
  [
    '{rules: [{from: [{source: {trustDomains: ["*", "a*", "*a", "a*b", a/b]}}]}]}',
    'rules[0].from[0].source.trustDomains[3]',
    'rules[0].from[0].source.trustDomains[4]',
  ],
  [
    '{rules: [{to: [{}, {operation: {}}, {operation: {ports: ["80", a, "65536"], methods: [""]}}]}]}',
    'rules[0].to[0].operation',
    'rules[0].to[1].operation',
    'rules[0].to[2].operation.ports[1]',
    'rules[0].to[2].operation.ports[2]',
    'rules[0].to[2].operation.methods[0]',
  ],
  [
    '{rules: [{to: [{operation: {paths: [/a*, "/a/{*}/b/{**}", "/{a}", "/{**}/{*}", "/{*}/b*"]}}]}]}',
    'rules[0].to[0].operation.paths[2]',
    'rules[0].to[0].operation.paths[3]',
    'rules[0].to[0].operation.paths[4]',
  ],
  [
    '{rules: [{when: [{key: "request.headers[x]", values: [a]}, {key: source.ip, notValues: [10.0.0.0/8]}, {key: "request.auth.claims[a][b]", values: [x]}]}]}',
  ],
  [
    '{rules: [{when: [{key: ""}, {key: source.ip}, {key: source.ip, values: [x, ""]}, {key: request.headers, values: [x]}, {key: sorce.ip, values: [x]}, {key: "destination.labels[a]", values: [x]}, {values: [x]}]}]}',
    'rules[0].when[6].key',
  ],
  [
    '{rules: [{when: [{key: ""}, {key: source.ip}, {key: source.ip, values: [x, ""]}, {key: request.headers, values: [x]}, {key: sorce.ip, values: [x]}, {key: "destination.labels[a]", values: [x]}]}]}',
    'rules[0].when[0].key',
    'rules[0].when[1]',
    'rules[0].when[2].values[0]',
    'rules[0].when[2].values[1]',
    'rules[0].when[3].key',
    'rules[0].when[4].key',
    'rules[0].when[5].key',
  ],
  [
    '{action: CUSTOM, provider: {name: x}, rules: [{from: [{source: {namespaces: [a], ipBlocks: [1.1.1.1]}}], when: [{key: source.principal, values: [a]}, {key: request.auth.principal, values: [a]}]}]}',
    'rules[0].from[0].source.namespaces',
    'rules[0].when[0].key',
    'rules[0].when[1].key',
  ],
  ['{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}', '~rules[0]'],
  ['{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ["80"]}}]}]}'],
  ['{selector: {matchLabels: {a: b}}, targetRef: {kind: Service, name: s}}', ''],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
