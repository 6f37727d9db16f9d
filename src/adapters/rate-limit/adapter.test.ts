import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMessage } from '../../config/message.ts';
import { readObjects } from '../../config/read.ts';
import { ObjectsSnapshot } from '../../config/store/objects.ts';
import { Adapters } from '../adapters.ts';

const AROUND = `
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: b}, spec: {selector: {app: web}, ports: [{name: http, port: 80}]}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: b}, spec: {selector: {istio: edge}, servers: [{port: {number: 80, protocol: HTTP, name: http}, hosts: ['*']}]}}
---
`;

interface Patch {
  readonly applyTo: string;
  readonly match: { readonly context: string; readonly routeConfiguration?: { vhost: { domainName: string } } };
  readonly patch: { readonly value: Record<string, never> };
}

function made(...specs: string[]) {
  const documents = specs.map(
    (spec, i) =>
      `{apiVersion: isthmus.dev/v1alpha1, kind: RateLimit, metadata: {name: r${i}, namespace: b}, spec: ${spec}}`,
  );
  const { entries } = readObjects(`${AROUND}${documents.join('\n---\n')}`, 'f.yaml');
  assert.deepEqual(entries.flatMap((e) => e.errors).map(formatMessage), []);
  const written = ObjectsSnapshot.empty.next(new Map(entries.map((e) => [e.key!, e.object!])), [], []);
  const config = new Adapters().adapt(written, {});
  return {
    filters: config.list('EnvoyFilter').map(({ metadata, spec }) => ({
      name: metadata.name,
      selector: spec.workloadSelector?.labels,
      patches: (spec.configPatches ?? []) as unknown as readonly Patch[],
    })),
    warnings: config.warnings.map(({ field, message }) => `${field} ${message}`),
  };
}

const LOCAL = 'local: {requests: 5, unit: minute}';
const SHARED =
  'shared: {domain: d, descriptors: [{entries: [{remoteAddress: x}, {genericKey: {descriptorValue: v}}]}]}';

describe('a RateLimit', () => {
  test('becomes an EnvoyFilter for what it selects: sidecars let in, gateways take', () => {
    const { filters, warnings } = made(`{selector: {matchLabels: {app: web}}, ${LOCAL}}`);
    assert.deepEqual(warnings, []);
    assert.deepEqual(
      filters.map(({ name, selector }) => [name, selector]),
      [['r0-rate-limit', { app: 'web' }]],
    );
    assert.deepEqual(
      filters[0]!.patches.map(({ applyTo, match }) => [applyTo, match.context]),
      [
        ['HTTP_FILTER', 'SIDECAR_INBOUND'],
        ['HTTP_FILTER', 'GATEWAY'],
      ],
    );
    const { typed_config: config } = filters[0]!.patches[0]!.patch.value as unknown as {
      typed_config: { token_bucket: object };
    };
    assert.deepEqual(config.token_bucket, { max_tokens: 5, tokens_per_fill: 5, fill_interval: '60s' });
  });

  test('is for the pods of a Service, or those of a Gateway', () => {
    const refs =
      'targetRefs: [{kind: Service, name: web}, {group: networking.istio.io, kind: Gateway, name: edge}, {kind: Service, name: gone}]';
    const { filters, warnings } = made(`{${refs}, ${LOCAL}}`);
    assert.deepEqual(
      filters.map(({ selector }) => selector),
      [{ app: 'web' }, { istio: 'edge' }],
    );
    assert.deepEqual(warnings, ['spec.targetRefs[2].name names no Service of the namespace: gone']);
  });

  test('is for all of its namespace without a selector', () => {
    assert.deepEqual(made(`{${LOCAL}}`).filters[0]?.selector, undefined);
  });

  test('for some hosts leaves the others without a limit', () => {
    const { patches } = made(`{hosts: [a.example], ${LOCAL}}`).filters[0]!;
    const own = patches.filter(({ match }) => match.context === 'GATEWAY');
    assert.deepEqual(
      own.map(({ applyTo }) => applyTo),
      ['HTTP_FILTER', 'VIRTUAL_HOST'],
    );
    const { typed_config: config } = own[0]!.patch.value as unknown as { typed_config: { token_bucket?: object } };
    assert.equal(config.token_bucket, undefined);
    assert.equal(own[1]!.match.routeConfiguration?.vhost.domainName, 'a.example');
  });

  test('with shared limits asks the control plane; each of a namespace in a stage of its own', () => {
    const { filters } = made(`{${SHARED}}`, `{${SHARED}}`);
    const stages = filters.map(({ patches }) => {
      const [cluster, filter, host] = patches.filter(({ match }) => match.context === 'GATEWAY');
      assert.deepEqual([cluster!.applyTo, filter!.applyTo, host!.applyTo], ['CLUSTER', 'HTTP_FILTER', 'VIRTUAL_HOST']);
      const { typed_config: config } = filter!.patch.value as unknown as { typed_config: { stage: number } };
      const { rate_limits: limits } = host!.patch.value as unknown as { rate_limits: object[] };
      const actions = [{ remote_address: {} }, { generic_key: { descriptor_value: 'v' } }];
      assert.deepEqual(limits, [{ stage: config.stage, actions }]);
      return config.stage;
    });
    assert.deepEqual(stages, [1, 2]);
  });

  test('of more shared ones than Envoy has stages the last ones are told to have no effect', () => {
    const { filters, warnings } = made(...Array.from({ length: 11 }, () => `{${SHARED}}`));
    assert.equal(filters.length, 10);
    assert.deepEqual(warnings, ['spec.shared has no effect: a namespace has 10 shared limits at most']);
  });
});
