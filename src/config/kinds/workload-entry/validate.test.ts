import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a WorkloadEntry with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{address: 10.0.0.1, ports: {http: 80}, labels: {app: a}, weight: 1}'],
  ['{address: vm.example.com}'],
  ['{}', 'address'],
  ['{network: net}', '~address'],
  ['{address: "a:80"}', 'address'],
  ['{address: "unix:///x", ports: {a: 1}}', 'ports'],
  ['{address: "unix://x"}', 'address'],
  ['{address: 10.0.0.1, ports: {"a b": 80, c: 0}, labels: {"": x}}', 'ports["a b"]', 'ports.c', 'labels[""]'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
