import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, TypeUrl } from '../../translate/cell.ts';
import { describeNack, recordNack } from './nack.ts';
import { ProxyView } from './proxy-view.ts';

function viewOf(names: readonly string[], more: Cell['origin'] = []): ProxyView {
  const cells = names.map((name, i): Cell => {
    const origin = [{ file: 'gateway.yaml', line: i + 1, column: 3 }, ...more];
    return { type: TypeUrl.Listener, name, bytes: Buffer.alloc(0), version: '1', origin };
  });
  return new ProxyView(
    { number: 7, all: () => cells, get: () => undefined },
    { get: () => undefined },
    undefined,
    () => {},
  );
}

function record(names: readonly string[], message: string, more: Cell['origin'] = []) {
  const nack = { typeUrl: TypeUrl.Listener, snapshot: 7, nonce: '7.1', version: '7', names, code: 13, message };
  return recordNack({ ...nack, view: viewOf(names, more) }, 1000, 'web.default', 'web.default-1');
}

test('the resources that a refusal names, and the lines that they came from', () => {
  const nack = record(
    ['0.0.0.0_80', '0.0.0.0_8080', '10.0.0.1_80'],
    'Error adding/updating listener(s) 0.0.0.0_8080: bad filter\n',
  );
  assert.deepEqual(nack.resources, [{ name: '0.0.0.0_8080', origin: [{ file: 'gateway.yaml', line: 2, column: 3 }] }]);
  assert.equal(
    describeNack(nack),
    'web.default rejected LDS 0.0.0.0_8080 (from gateway.yaml:2:3): ' +
      'Error adding/updating listener(s) 0.0.0.0_8080: bad filter\n',
  );
});

test('every place that a refused resource came from may be the reason, and the foremost is told first', () => {
  const more = (count: number) => Array.from({ length: count }, (_, i) => ({ file: `${i}.yaml`, line: 1, column: 1 }));
  assert.match(describeNack(record(['a'], 'no', more(1))), / LDS a \(from gateway\.yaml:1:3, 0\.yaml:1:1\): no$/);
  assert.match(
    describeNack(record(['a', 'b'], 'no', more(9))),
    / LDS a, b \(from gateway\.yaml:1:3, gateway\.yaml:2:3, 0\.yaml:1:1, 1\.yaml:1:1 and 7 more\): no$/,
  );
});

test('a refusal that names none may mean any of the response', () => {
  const nack = record(['a', 'b'], 'Proto constraint validation failed');
  assert.deepEqual(
    nack.resources.map(({ name }) => name),
    ['a', 'b'],
  );
  const many = record(
    Array.from({ length: 50 }, (_, i) => `listener-${i}`),
    'no',
  );
  assert.equal(many.resources.length, 20);
});

test('what a proxy says is cut', () => {
  assert.equal(record(['a'], 'x'.repeat(10_000)).message.length, 4096);
});
