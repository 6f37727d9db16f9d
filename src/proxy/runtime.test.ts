import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { scratch } from '../../test/support/reference.ts';
import { LayeredRuntimeSchema } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { ConfigErrors } from './config/errors.ts';
import { Runtime } from './runtime.ts';

function runtime(layers: JsonValue, errors = new ConfigErrors()): Runtime {
  return new Runtime(fromJson(LayeredRuntimeSchema, { layers }), 'cluster', errors);
}

test('later layers win, and one that is discovered is empty until it is there', () => {
  const it = runtime([
    { name: 'static', staticLayer: { a: 1, b: { c: 2, share: { numerator: 3 } } } },
    { name: 'found', rtdsLayer: { name: 'r', rtdsConfig: { ads: {} } } },
    { name: 'admin', adminLayer: {} },
  ]);
  assert.deepEqual([it.get('a'), it.get('b.c'), it.get('b.share'), it.get('b')], [1, 2, { numerator: 3 }, undefined]);
  it.setLayer(1, { a: 5, d: 'x' });
  assert.deepEqual([it.get('a'), it.get('d')], [5, 'x']);
  assert.equal(it.modify(new Map([['a', '7']])), true);
  it.setLayer(1, {});
  assert.deepEqual([it.get('a'), it.get('d')], [7, undefined]);
  assert.deepEqual(it.layers, ['static', 'found', 'admin']);
});

test('a folder is a layer while it is there and can be read', (t) => {
  const root = scratch(t);
  const it = runtime([
    { name: 'disk', diskLayer: { symlinkRoot: root, subdirectory: 'sub', appendServiceCluster: true } },
  ]);
  assert.deepEqual([it.layers, it.stats.num_layers, it.problems], [[], 0, []]);
  fs.mkdirSync(path.join(root, 'sub/cluster'), { recursive: true });
  fs.writeFileSync(path.join(root, 'sub/cluster/key'), '0.5\n');
  it.load();
  assert.deepEqual([it.layers, it.get('key'), it.stats.num_keys], [['disk'], 0.5, 1]);
  fs.writeFileSync(path.join(root, 'sub/cluster/large'), 'x'.repeat(70_000));
  it.load();
  assert.deepEqual([it.layers, it.get('key'), it.stats.load_error], [[], undefined, 1]);
  assert.match(it.problems.join(), /^layer disk: .*larger than/);
});

test('names and the layer of the admin are there once', () => {
  const errors = new ConfigErrors();
  runtime(
    [
      { name: 'a', adminLayer: {} },
      { name: 'a', adminLayer: {} },
    ],
    errors,
  );
  assert.deepEqual(
    errors.list.map(({ path: at }) => at),
    ['layers[1].name', 'layers[1].admin_layer'],
  );
});
