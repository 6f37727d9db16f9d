import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMessage, formatMessage, formatTemplate, sortMessages } from './message.ts';
import type { Resource } from './resource.ts';

const resource = (kind: string, namespace: string, name: string): Resource => ({
  id: 'VirtualService',
  kind,
  namespace,
  name,
  labels: {},
  annotations: {},
  spec: {},
  status: undefined,
  at: { file: 'f.yaml', line: 3 },
  find: (path) => (path[0] === 'spec' ? { file: 'f.yaml', line: 7, column: 5 } : undefined),
  errors: [],
  warnings: [],
});

test('templates are filled in as Go does it', () => {
  assert.equal(formatTemplate('%s %v %d %q', ['a', 'b', 3, 'c"']), 'a b 3 "c\\""');
  assert.equal(
    formatTemplate('%v %v %q', [
      ['a', 'b'],
      [1, 2],
      ['c', 'd'],
    ]),
    '[a b] [1 2] ["c" "d"]',
  );
  assert.equal(formatTemplate('100 %', []), '100 %');
  assert.throws(() => formatTemplate('%s %s', ['a']), /no parameter for %s number 2/);
});

test('a message stands at its field, or else at its resource', () => {
  const parameters = ['gateway', 'edge'];
  const at = (place?: readonly string[]) =>
    formatMessage(createMessage('IST0101', resource('VirtualService', 'a', 'web'), parameters, place));
  assert.equal(at(), 'Error [IST0101] (VirtualService a/web f.yaml:3) Referenced gateway not found: "edge"');
  assert.equal(
    at(['spec', 'gateways']),
    'Error [IST0101] (VirtualService a/web f.yaml:7) Referenced gateway not found: "edge"',
  );
  assert.equal(at(['status']), at());
  const known = { field: 'spec.x', at: { file: 'g.yaml', line: 1, column: 2 } };
  const message = createMessage('IST0101', resource('VirtualService', '', 'web'), parameters, known);
  assert.equal(message.field, 'spec.x');
  assert.equal(
    formatMessage(message),
    'Error [IST0101] (VirtualService web g.yaml:1) Referenced gateway not found: "edge"',
  );
});

test('colors are those of istioctl', () => {
  const message = createMessage('IST0002', { ...resource('Sidecar', '', 's'), at: undefined }, ['x']);
  assert.equal(formatMessage(message, true), '\u001b[33mWarning\u001b[0m [IST0002] (Sidecar s) Deprecated: x');
});

test('the worst come first, then codes, kinds, names and namespaces; nothing is said twice', () => {
  const of = (code: 'IST0002' | 'IST0101' | 'IST0118', ...id: [string, string, string]) =>
    createMessage(code, resource(...id), code === 'IST0118' ? ['a', 1, 'b'] : ['x', 'y']);
  const messages = [
    of('IST0118', 'A', 'a', 'a'),
    of('IST0002', 'A', 'a', 'a'),
    of('IST0101', 'B', 'a', 'a'),
    of('IST0101', 'A', 'b', 'a'),
    of('IST0101', 'A', 'a', 'b'),
    of('IST0101', 'A', 'a', 'a'),
    of('IST0101', 'A', 'a', 'a'),
  ];
  assert.deepEqual(
    sortMessages(messages).map(({ code, resource: r }) => `${code} ${r.kind} ${r.namespace}/${r.name}`),
    ['IST0101 A a/a', 'IST0101 A b/a', 'IST0101 A a/b', 'IST0101 B a/a', 'IST0002 A a/a', 'IST0118 A a/a'],
  );
});
