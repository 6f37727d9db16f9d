import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a WasmPlugin with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{url: "oci://ghcr.io/a/b:c"}'],
  ['{url: "ghcr.io/a/b:c", match: [{mode: CLIENT, ports: [{number: 80}]}]}'],
  ['{url: "registry:5000/a/b"}', 'url'],
  ['{}', 'url'],
  ['{url: "ftp://a"}', 'url'],
  [`{url: a, sha256: ${'a'.repeat(63)}}`, 'sha256'],
  [`{url: a, sha256: ${'g'.repeat(64)}}`, 'sha256'],
  [`{url: a, imagePullSecret: ${'a'.repeat(254)}, pluginName: ${'a'.repeat(257)}}`, 'imagePullSecret', 'pluginName'],
  [
    '{url: a, vmConfig: {env: [{}, {name: A, value: x}, {name: A}, {name: B, valueFrom: HOST, value: x}]}}',
    'vmConfig.env[0].name',
    'vmConfig.env[2].name',
    'vmConfig.env[3].value',
  ],
  [
    '{url: a, match: [{ports: [{number: 0}, {number: 65536}]}]}',
    'match[0].ports[0].number',
    'match[0].ports[1].number',
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
