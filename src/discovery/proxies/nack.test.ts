import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, TypeUrl } from '../../translate/cell.ts';
import { describeNack, recordNack } from './nack.ts';
import { ProxyView } from './proxy-view.ts';

function viewOf(names: readonly string[]): ProxyView {
  const cells = names.map((name, i): Cell => {
    const origin = [{ file: 'gateway.yaml', line: i + 1, column: 3 }];
    return { type: TypeUrl.Listener, name, bytes: Buffer.alloc(0), version: '1', origin };
  });
  return new ProxyView(
    { number: 7, all: () => cells, get: () => undefined },
    { get: () => undefined },
    undefined,
    () => {},
  );
}

function record(names: readonly string[], message: string) {
  const nack = { typeUrl: TypeUrl.Listener, snapshot: 7, nonce: '7.1', version: '7', names, code: 13, message };
  return recordNack({ ...nack, view: viewOf(names) }, 1000, 'web.default', 'web.default-1');
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
