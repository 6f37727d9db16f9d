import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a PeerAuthentication with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{mtls: {mode: STRICT}}'],
  ['{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}}}'],
  ['{portLevelMtls: {80: {mode: DISABLE}}}', 'portLevelMtls'],
  ['{selector: {matchLabels: {a: b}}, portLevelMtls: {}}', 'portLevelMtls'],
  ['{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {}, 70000: {}}}', 'portLevelMtls.0', 'portLevelMtls.70000'],
  ['{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {}}}', 'portLevelMtls.http'],
  ['{selector: {}}', '~selector'],
  ['{mtls: {mode: STRIKT}}', 'mtls.mode'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
