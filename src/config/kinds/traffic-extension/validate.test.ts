import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a TrafficExtension with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: extensions.istio.io/v1alpha1, kind: TrafficExtension, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{lua: {inlineCode: "x"}}'],
  ['{wasm: {url: a}, phase: AUTHN}'],
  ['{}', ''],
  ['{lua: {inlineCode: "x"}, wasm: {url: a}}', ''],
  ['{lua: {}}', 'lua.inlineCode'],
  [`{lua: {inlineCode: ${'x'.repeat(65537)}}}`, 'lua.inlineCode'],
  ['{wasm: {}}', 'wasm.url'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
