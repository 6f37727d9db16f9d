import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeSegment, SpanType } from './encode.ts';

test('a segment, byte for byte', () => {
  const bytes = encodeSegment({ traceId: 't', segmentId: 's' }, 'v', 'i', [
    {
      id: 1,
      parentId: -1,
      start: 300,
      end: 301,
      reference: {
        traceId: 'T',
        segmentId: 'S',
        spanId: 3,
        service: 'V',
        instance: 'I',
        endpoint: '/',
        peer: 'p:80',
      },
      operation: '/a',
      peer: 'q',
      type: SpanType.Exit,
      failed: true,
      tags: new Map([['k', 'w']]),
    },
  ]);
  const span = [
    '0801', // spanId
    '10ffffffffffffffffff01', // parentSpanId -1
    '18ac02', // startTime
    '20ad02', // endTime
    '2a17120154' /* refs */ + '1a0153' + '2003' + '2a0156' + '320149' + '3a012f' + '4204703a3830',
    '32022f61', // operationName
    '3a0171', // peer
    '4001', // spanType
    '4803', // spanLayer
    '50a846', // componentId
    '5801', // isError
    '62060a016b120177', // tags
  ].join('');
  const length = (span.length / 2).toString(16).padStart(2, '0');
  assert.equal(Buffer.from(bytes).toString('hex'), `0a0174120173${`1a${length}${span}`}2201762a0169`);
});
