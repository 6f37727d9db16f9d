import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a RateLimit with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: isthmus.dev/v1alpha1, kind: RateLimit, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const LOCAL = 'local: {requests: 5, unit: second}';
const DESCRIPTORS = 'descriptors: [{entries: [{remoteAddress: x}]}]';
const limits = (text: string): string => `{shared: {domain: d, ${DESCRIPTORS}, limits: [${text}]}}`;

const table: readonly (readonly [string, ...string[]])[] = [
  ['{}', 'spec'],
  [`{${LOCAL}}`],
  [`{selector: {matchLabels: {app: a}}, ${LOCAL}}`],
  [`{selector: {matchLabels: {app: a}}, targetRefs: [{kind: Service, name: a}], ${LOCAL}}`, 'spec.selector'],
  [`{targetRefs: [{kind: Service, name: a}], ${LOCAL}}`],
  [`{targetRefs: [{group: networking.istio.io, kind: Gateway, name: a}], ${LOCAL}}`],
  [`{targetRefs: [{kind: Pod, name: a}], ${LOCAL}}`, 'spec.targetRefs[0].kind'],
  [`{targetRefs: [{kind: Service, name: a, namespace: c}], ${LOCAL}}`, 'spec.targetRefs[0].namespace'],
  ['{local: {requests: 5, unit: week}}', 'spec.local.unit'],
  ['{local: {requests: 5, unit: day, burst: 4}}', 'spec.local.burst'],
  [limits('{key: remote_address, rateLimit: {unit: second, requestsPerUnit: 5}}')],
  [limits('{key: remote_address, rate_limit: {unit: second, requests_per_unit: 5}}')],
  [limits('{key: remote_address}'), '~spec.shared.limits'],
  [limits('{key: a, descriptors: [{value: b}]}'), 'spec.shared.limits[0].descriptors[0].key'],
  [`{shared: {${DESCRIPTORS}}}`, 'spec.shared.domain'],
  ['{shared: {domain: d, descriptors: []}}', 'spec.shared.descriptors'],
  [
    '{shared: {domain: d, descriptors: [{entries: [{remoteAddress: x, genericKey: {descriptorValue: v}}]}]}}',
    'spec.shared.descriptors[0].entries[0]',
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => assert.deepEqual(said(spec).sort(), fields.sort()));
  }
});
