import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMessage } from './message.ts';
import { readObjects } from './read.ts';

const errors = (text: string): string[] => {
  const { entries, problems } = readObjects(text, 'f.yaml');
  return [...problems, ...entries.flatMap((e) => e.errors)].map(formatMessage);
};
const warnings = (text: string): string[] =>
  readObjects(text, 'f.yaml')
    .entries.flatMap((e) => e.warnings)
    .map(formatMessage);

const SIDECAR =
  'apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\nspec: {egress: [{hosts: ["./*"]}]}\n';

test('an object is read with its place in time and space', () => {
  const text = `apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: web
  labels: {a: b}
  annotations: {x.io/y: "1"}
  creationTimestamp: "2026-01-31T12:00:00Z"
  uid: u
  generation: 7
spec:
  host: web
  trafficPolicy:
    connectionPool:
      tcp:
        connectTimeout: 1.5s
status: {}
`;
  const [entry] = readObjects(text, 'f.yaml', { defaultNamespace: 'shop' }).entries;
  assert.deepEqual([...entry!.errors, ...entry!.warnings], []);
  const object = entry!.object!;
  assert.equal(entry!.key, 'DestinationRule/shop/web');
  assert.equal(object.group, 'networking.istio.io');
  assert.deepEqual(object.metadata, {
    name: 'web',
    namespace: 'shop',
    labels: { a: 'b' },
    annotations: { 'x.io/y': '1' },
    creationTimestamp: Date.UTC(2026, 0, 31, 12),
    generation: 7,
    uid: 'u',
  });
  assert.deepEqual(object.spec, { host: 'web', trafficPolicy: { connectionPool: { tcp: { connectTimeout: 1500 } } } });
  assert.equal((object.raw.metadata as { uid: string }).uid, 'u');
  assert.deepEqual(object.locate(['spec', 'trafficPolicy', 'connectionPool', 'tcp']), {
    file: 'f.yaml',
    line: 14,
    column: 7,
  });
});

test('kinds without a spec have their body there', () => {
  const [entry] = readObjects(
    '{apiVersion: v1, kind: Secret, metadata: {name: a}, type: Opaque, stringData: {a: b}}',
    'f',
  ).entries;
  assert.deepEqual(entry!.object!.spec, { type: 'Opaque', stringData: { a: 'b' } });
});

test('a kind of the cluster is in no namespace', () => {
  const text = '{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: b}}';
  assert.equal(readObjects(text, 'f').entries[0]!.key, 'Namespace//a');
  assert.match(warnings(text)[0]!, /metadata\.namespace has no meaning/);
});

describe('lists', () => {
  test('of anything, within one another, and typed', () => {
    const text = `apiVersion: v1
kind: List
items:
- ${SIDECAR.trim().replaceAll('\n', '\n  ')}
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: networking.istio.io/v1
kind: SidecarList
items:
- {metadata: {name: b}, spec: {egress: [{hosts: [bad]}]}}
`;
    const { entries } = readObjects(text, 'f.yaml');
    assert.deepEqual(
      entries.map((e) => [e.key, e.place]),
      [
        ['Sidecar/default/a', { document: 0, path: ['items', 0] }],
        ['Namespace//shop', { document: 0, path: ['items', 1, 'items', 0] }],
        ['Sidecar/default/b', { document: 1, path: ['items', 0] }],
      ],
    );
    assert.match(
      errors(text)[0]!,
      /^f\.yaml:16:\d+: Sidecar\/default\/b: spec\.egress\[0\]\.hosts\[0\] must be of the form/,
    );
  });
});

describe('what a document is', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['- a\n', /f\.yaml:1:1: must be a Kubernetes object with apiVersion and kind, not a list/],
    ['a: b\n', /apiVersion is required\n.*kind is required/],
    ['{apiVersion: 1, kind: Pod}', /apiVersion must be a string, not the number 1/],
    [
      '{apiVersion: networking.istio.io/v1, kind: VirtualServise}',
      /kind is unknown: .* did you mean "VirtualService"\?/,
    ],
    [
      '{apiVersion: networking.istio.io/v2, kind: Gateway}',
      /is not a version of Gateway: .* use networking\.istio\.io\/v1, /,
    ],
    [
      '{apiVersion: networking.istio.oi/v1, kind: Gateway}',
      /apiVersion is unknown: .* did you mean networking\.istio\.io\/v1\?/,
    ],
    [
      '{apiVersion: v1, kind: Deployment}',
      /apiVersion is unknown: v1 has no Deployment; did you mean apps\/v1\?|kind is unknown: v1 has no Deployment; did you mean "Deployment"/,
    ],
    ['{apiVersion: config.istio.io/v1alpha2, kind: rule}', /kind is unknown/],
    ['{apiVersion: v1, kind: Pdo}', /did you mean "Pod"/],
  ];
  for (const [text, expected] of table) test(text.trim(), () => assert.match(errors(text).join('\n'), expected));

  const unused = [
    '{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, rules: []}',
    '{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: a}}',
    '{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}}',
    '{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}}',
    '{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}}',
    '{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a}}',
  ];
  for (const text of unused) {
    test(`${text} is accepted and told`, () => {
      const [entry] = readObjects(text, 'f.yaml').entries;
      assert.deepEqual(entry!.errors, []);
      assert.equal(entry!.unused, true);
      assert.match(entry!.warnings[0]!.message, /has no effect on the mesh/);
    });
  }
});

describe('metadata', () => {
  const object = (metadata: string, kind = 'Sidecar'): string =>
    SIDECAR.replace('{name: a}', metadata).replace('Sidecar', kind);
  const table: readonly (readonly [string, readonly RegExp[]])[] = [
    ['{}', [/metadata\.name is required/]],
    ['{generateName: a-}', [/metadata\.name is required; generateName/]],
    ['{name: 5}', [/metadata\.name must be a string, not the number 5; put it in quotes$/]],
    ['{name: A_b}', [/Sidecar\/default\/A_b: metadata\.name must be lower-case/]],
    ['{name: ../a}', [/metadata\.name must be lower-case/]],
    ['{name: a.b-c}', []],
    ['{name: a, namespace: x.y}', [/metadata\.namespace must be lower-case/]],
    ['{name: a, labels: {a: 5}}', [/metadata\.labels\.a must be a string/]],
    ['{name: a, labels: {a: "b c"}}', [/metadata\.labels\.a must be letters/]],
    [`{name: a, labels: {a: ${'x'.repeat(64)}}}`, [/at most 63 characters/]],
    ['{name: a, labels: {"a/b/c": x}}', [/labels\["a\/b\/c"\] has a key whose prefix/]],
    ['{name: a, annotations: {"-a": x}}', [/annotations.-a has a key that is not/]],
    ['{name: a, creationTimestamp: yesterday}', [/creationTimestamp must be a time/]],
    ['{name: a, creationTimestamp: null}', []],
    ['{name: a, lables: {}}', [/metadata\.lables is an unknown field; did you mean "labels"/]],
    ['{name: a, managedFields: [], resourceVersion: "1", ownerReferences: []}', []],
  ];
  for (const [metadata, expected] of table) {
    test(metadata.slice(0, 60), () => {
      const said = errors(object(metadata));
      assert.equal(said.length, expected.length, said.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(said[i]!, pattern);
    });
  }
});

describe('fields beside spec', () => {
  test('are refused in a kind of Istio, with what may be meant', () => {
    assert.deepEqual(errors(`${SIDECAR}egress: []\nspce: {}\n`), [
      'f.yaml:5:1: Sidecar/default/a: egress is an unknown field; it belongs under spec',
      'f.yaml:6:1: Sidecar/default/a: spce is an unknown field; did you mean "spec"?',
    ]);
  });
  test('warn in a kind of Kubernetes', () => {
    const text =
      '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1, newField: 1}]}, more: 1}';
    assert.deepEqual(errors(text), []);
    assert.equal(warnings(text).length, 2);
  });
});

test('rules are looked at only when the schema is content, and a draft is there for analysis either way', () => {
  const [entry] = readObjects(SIDECAR.replace('hosts: ["./*"]', 'hosts: [bad], port: {number: x}'), 'f.yaml').entries;
  assert.equal(entry!.errors.length, 1);
  assert.equal(entry!.object, undefined);
  assert.deepEqual(entry!.draft!.spec, { egress: [{ hosts: ['bad'], port: {} }] });
});

describe('annotations that Istio gives a meaning', () => {
  const policy = (annotations: string, spec = '{}'): string =>
    `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a, annotations: ${annotations}}, spec: ${spec}}`;
  test('dry-run is for policies that allow or deny', () => {
    assert.deepEqual(errors(policy('{istio.io/dry-run: "true"}')), []);
    assert.match(errors(policy('{istio.io/dry-run: "yes"}'))[0]!, /must be "true" or "false"/);
    assert.match(errors(policy('{istio.io/dry-run: "true"}', '{action: AUDIT}'))[0]!, /not AUDIT/);
    assert.match(
      errors(SIDECAR.replace('{name: a}', '{name: a, annotations: {istio.io/dry-run: "true"}}'))[0]!,
      /no meaning for a Sidecar/,
    );
  });
  test('always-reject rejects', () => {
    assert.equal(errors(policy('{internal.istio.io/webhook-always-reject: ""}')).length, 1);
  });
});
