import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a WorkloadGroup with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: WorkloadGroup, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{template: {}}'],
  ['{}', 'template'],
  ['{template: {}, metadata: {labels: {"a b": c}}}', 'metadata.labels["a b"]'],
  ['{template: {}, probe: {}}', 'probe'],
  [
    '{template: {}, probe: {periodSeconds: -1, httpGet: {port: 0, scheme: ftp, httpHeaders: [{name: a_b}]}}}',
    'probe.periodSeconds',
    'probe.httpGet.port',
    'probe.httpGet.scheme',
    'probe.httpGet.httpHeaders[0].name',
  ],
  ['{template: {}, probe: {exec: {}}}', 'probe.exec.command'],
  ['{template: {}, probe: {grpc: {port: 80}}}'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
