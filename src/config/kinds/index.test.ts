import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { KINDS, kindById, kindOf, type SpecOf } from './index.ts';

test('every folder of a kind stands in the list', () => {
  const folders = readdirSync(new URL('.', import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'shared')
    .map((entry) => entry.name)
    .filter((name) => name !== 'mesh-config');
  assert.equal(KINDS.length, folders.length, folders.join(' '));
});

test('identifiers, plurals and short names are unique', () => {
  const names = KINDS.flatMap((k) => [k.id.toLowerCase(), k.plural, ...(k.shortNames ?? [])]);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  // `telemetry` is both the kind in lower case and the short name of Istio's CRD, and `endpoints` is its own plural.
  assert.deepEqual(twice, ['telemetry', 'endpoints']);
});

test('a kind is found by its apiVersion, and its spec is typed', () => {
  assert.equal(kindOf('networking.istio.io/v1beta1', 'Gateway')?.id, 'Gateway');
  assert.equal(kindOf('gateway.networking.k8s.io/v1', 'Gateway'), undefined);
  assert.equal(kindById('VirtualService')?.plural, 'virtualservices');
  const spec: SpecOf<'VirtualService'> = { hosts: ['a'], http: [{ route: [{ destination: { host: 'a' } }] }] };
  assert.equal(spec.http?.[0]?.route?.[0]?.destination.host, 'a');
});
