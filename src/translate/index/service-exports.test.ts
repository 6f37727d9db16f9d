import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NamespaceSpec } from '../../config/kinds/namespace/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { Service } from '../../registry/service.ts';
import { type MeshSnapshot, meshOf } from '../mesh.ts';
import { ServiceExports } from './service-exports.ts';

type Visibility = NonNullable<MeshSnapshot['mesh']['serviceEntryVisibility']>;

const NAMESPACES = [{ metadata: { name: 'a', labels: { team: 'x' } } }] as unknown as ConfigObject<NamespaceSpec>[];

/** Who of the namespaces a and b sees a service of namespace a, asked in both ways. */
function viewers(visibility: Visibility, exportTo?: readonly string[], origin = 'ServiceEntry'): string {
  const service = { namespace: 'a', origin, exportTo: exportTo && new Set(exportTo) } as unknown as Service;
  const exports = new ServiceExports(meshOf({ serviceEntryVisibility: visibility }), NAMESPACES);
  const listed = exports.namespacesOf(service);
  return ['a', 'b']
    .filter((namespace) => {
      const visible = exports.isVisible(service, namespace);
      assert.equal(listed.has('*') || listed.has(namespace), visible, namespace);
      return visible;
    })
    .join(' ');
}

const bounded = (rest: Visibility): Visibility => ({ applyToSidecars: true, ...rest });

test('the visibility of the mesh bounds what exportTo says', () => {
  const namespace = bounded({ defaultVisibility: 'NAMESPACE' });
  assert.equal(viewers(namespace), 'a');
  assert.equal(viewers(namespace, ['*']), 'a');
  assert.equal(viewers(namespace, ['b']), '');
  assert.equal(viewers(bounded({ defaultVisibility: 'NONE' }), ['*']), '');
  assert.equal(viewers(bounded({ defaultVisibility: 'PUBLIC' }), ['b']), 'b');
  assert.equal(viewers(bounded({})), 'a b');
});

test('it is for ServiceEntries, and where it applies to sidecars', () => {
  assert.equal(viewers(bounded({ defaultVisibility: 'NONE' }), undefined, 'Kubernetes'), 'a b');
  assert.equal(viewers({ defaultVisibility: 'NONE' }), 'a b');
});

test('the first policy decides of which all rules match', () => {
  const matching = { namespaceSelector: { matchLabels: { team: 'x' } } };
  const named = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'a' } } };
  const other = { namespaceSelector: { matchLabels: { team: 'y' } } };
  const policies = (...list: NonNullable<Visibility['policies']>) =>
    viewers(bounded({ defaultVisibility: 'NONE', policies: list }));
  assert.equal(policies({ visibility: 'NAMESPACE', matchingRules: [matching, named] }), 'a');
  assert.equal(policies({ visibility: 'PUBLIC', matchingRules: [matching, other] }), '');
  assert.equal(policies({ visibility: 'PUBLIC', matchingRules: [{}] }), '');
  assert.equal(policies({ visibility: 'PUBLIC', matchingRules: [] }), 'a b');
  assert.equal(policies({ matchingRules: [named] }, { visibility: 'NONE', matchingRules: [named] }), 'a b');
});
