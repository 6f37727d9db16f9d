import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a ProxyConfig with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1beta1, kind: ProxyConfig, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{concurrency: 0, image: {imageType: distroless}, environmentVariables: {A: b}}'],
  ['{concurrency: -1}', 'concurrency'],
  ['{selector: {matchLabels: {"": x, a: "*"}}}', 'selector.matchLabels', 'selector.matchLabels.a'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
