import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a Telemetry with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{}'],
  ['{tracing: [{providers: [{name: a}], randomSamplingPercentage: 50}]}'],
  [
    '{tracing: [{providers: [{name: a}, {name: ""}], randomSamplingPercentage: 101}, {}]}',
    'tracing[0].providers[1].name',
    'tracing[0].randomSamplingPercentage',
    '~tracing',
    '~tracing[0].providers',
  ],
  [
    '{tracing: [{customTags: {a: {literal: {}}, b: {header: {}}, c: {environment: {name: X}}, d: {formatter: {}}}}]}',
    'tracing[0].customTags.a.literal.value',
    'tracing[0].customTags.b.header.name',
  ],
  ['{tracing: [{disableContextPropagation: true}]}'],
  [
    '{metrics: [{overrides: [{match: {customMetric: ""}, tagOverrides: {a: {}, b: {operation: REMOVE, value: x}, c: {value: x}}}]}]}',
    'metrics[0].overrides[0].match.customMetric',
    'metrics[0].overrides[0].tagOverrides.a.value',
    'metrics[0].overrides[0].tagOverrides.b.value',
  ],
  [
    '{accessLogging: [{filter: {expression: "response.code >= 400"}}, {filter: {expression: "a &&"}}, {filter: {}}]}',
    'accessLogging[1].filter.expression',
    'accessLogging[2].filter.expression',
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
