import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMsgpack } from '../../../test/support/msgpack.ts';
import { encodeTraceChunk, encodeTraces } from './encode.ts';
import { MsgpackWriter } from './msgpack.ts';

test('values of every length, byte for byte', () => {
  const bytes = (write: (writer: MsgpackWriter) => void) => {
    const writer = new MsgpackWriter();
    write(writer);
    return writer.finish();
  };
  const rows: [string, (writer: MsgpackWriter) => void][] = [
    ['93', (w) => w.list(3)],
    ['dc0010', (w) => w.list(16)],
    ['dd00010000', (w) => w.list(65536)],
    ['82', (w) => w.map(2)],
    ['de0010', (w) => w.map(16)],
    ['a2c3a9', (w) => w.text('é')],
    ['7f', (w) => w.unsigned(127n)],
    ['cf0000000000000080', (w) => w.unsigned(128n)],
    ['cfffffffffffffffff', (w) => w.unsigned(2n ** 64n - 1n)],
    ['cb3ff0000000000000', (w) => w.double(1)],
  ];
  for (const [hex, write] of rows) assert.equal(bytes(write).toString('hex'), hex);
  assert.equal(readMsgpack(bytes((w) => w.text('x'.repeat(32)))), 'x'.repeat(32));
  assert.equal(readMsgpack(bytes((w) => w.text('x'.repeat(70_000)))), 'x'.repeat(70_000));
});

test('traces are lists of lists of spans', () => {
  const span = {
    service: 's',
    name: 'n',
    resource: 'r',
    traceId: 2n ** 63n,
    spanId: 5n,
    parentId: 0n,
    start: 1000n,
    duration: 7n,
    failed: true,
    meta: new Map([['a', 'b']]),
    metrics: new Map([['m', 1]]),
  };
  const read = readMsgpack(Buffer.from(encodeTraces([encodeTraceChunk([span]), encodeTraceChunk([])])));
  assert.deepEqual(read, [
    [
      {
        service: 's',
        name: 'n',
        resource: 'r',
        trace_id: 2n ** 63n,
        span_id: 5,
        parent_id: 0,
        start: 1000,
        duration: 7,
        error: 1,
        meta: { a: 'b' },
        metrics: { m: 1 },
        type: 'web',
      },
    ],
    [],
  ]);
});
