import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a EnvoyFilter with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const patches = (text: string): string => `{configPatches: [${text}]}`;
const remove = 'patch: {operation: REMOVE}';
const filter = (match: string): string => `match: {listener: {filterChain: {filter: ${match}}}}`;

/** A spec, and the fields below spec that are at fault. Every EnvoyFilter warns that it is one. */
const table: readonly (readonly [string, ...string[]])[] = [
  ['{}', '~'],
  [patches('{}'), 'configPatches[0].applyTo', 'configPatches[0].patch', '~'],
  [patches('{applyTo: CLUSTER, patch: {}}'), 'configPatches[0].patch.operation', '~'],
  [patches('{applyTo: CLUSTER, patch: {operation: MERGE}}'), 'configPatches[0].patch.value', '~'],
  [patches(`{applyTo: CLUSTER, ${remove}, match: {cluster: {service: a}}}`), '~'],
  [
    patches(`{applyTo: CLUSTER, ${remove}, match: {listener: {}, proxy: {proxyVersion: "(["}}}`),
    'configPatches[0].match.listener',
    'configPatches[0].match.proxy.proxyVersion',
    '~',
  ],
  [patches(`{applyTo: HTTP_ROUTE, ${remove}, match: {cluster: {}}}`), 'configPatches[0].match.cluster', '~'],
  [patches(`{applyTo: BOOTSTRAP, ${remove}, match: {cluster: {}}}`), '~'],
  [
    patches(`{applyTo: HTTP_FILTER, ${remove}, ${filter('{}')}}`),
    'configPatches[0].match.listener.filterChain.filter.name',
    '~',
  ],
  [
    patches(`{applyTo: NETWORK_FILTER, ${remove}, ${filter('{name: x, subFilter: {name: z}}')}}`),
    'configPatches[0].match.listener.filterChain.filter.subFilter',
    '~',
  ],
  [
    patches(`{applyTo: HTTP_FILTER, ${remove}, ${filter('{name: x, subFilter: {name: z}}')}}`),
    'configPatches[0].match.listener.filterChain.filter.subFilter',
    '~',
  ],
  [
    patches(`{applyTo: HTTP_FILTER, ${remove}, ${filter('{name: envoy.http_connection_manager, subFilter: {}}')}}`),
    'configPatches[0].match.listener.filterChain.filter.subFilter.name',
    '~configPatches[0].match.listener.filterChain.filter.name',
    '~',
  ],
  [
    patches(`{applyTo: LISTENER, ${remove}, ${filter('{name: x}')}}`),
    '~configPatches[0].match.listener.filterChain.filter',
    '~',
  ],
  ['{workloadSelector: {labels: {a: "*"}}}', 'workloadSelector.labels.a', '~'],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
