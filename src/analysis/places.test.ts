import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPlaces } from './places.ts';

const TEXT = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: List
items:
- apiVersion: networking.istio.io/v1
  kind: Gateway
  metadata: {name: edge, namespace: shop}
  spec:
    selector: {app: edge}
    servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: ["*"]
`;

const at = { file: 'f.yaml', line: 8, column: 3 };
const edge = (hosts: string[]) => ({
  key: 'Gateway/shop/edge',
  raw: { spec: { selector: { app: 'edge' }, servers: [{ hosts }] } },
  at,
});

test('a field is where the file has it with this value', () => {
  const find = findPlaces((file) => (file === 'f.yaml' ? TEXT : undefined));
  assert.deepEqual(find(edge(['*']), ['spec', 'servers', 0, 'hosts']), { file: 'f.yaml', line: 15, column: 7 });
  assert.deepEqual(find(edge(['*']), ['spec', 'selector', 'app']), { file: 'f.yaml', line: 12, column: 16 });
});

test('what the file has no more is where the object was', () => {
  const find = findPlaces(() => TEXT);
  assert.deepEqual(find(edge(['a.b']), ['spec', 'servers', 0, 'hosts']), at);
  assert.deepEqual(find(edge(['*']), ['spec', 'servers', 1]), at);
  assert.deepEqual(find({ ...edge(['*']), key: 'Gateway/shop/other' }, ['spec', 'selector', 'app']), at);
  assert.deepEqual(findPlaces(() => 'a: [')(edge(['*']), ['spec']), at);
});

test('a file is read when it is needed, and once', () => {
  const asked: string[] = [];
  const find = findPlaces((file) => {
    asked.push(file);
    return undefined;
  });
  assert.deepEqual(find(edge(['*']), []), at);
  assert.deepEqual(asked, []);
  for (const path of [['spec'], ['metadata']]) assert.deepEqual(find(edge(['*']), path), at);
  assert.deepEqual(asked, ['f.yaml']);
});
