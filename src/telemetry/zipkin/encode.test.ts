import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeZipkinSpan } from './encode.ts';

test('a span in a list, byte for byte', () => {
  const bytes = encodeZipkinSpan({
    traceId: '0102030405060708',
    parentId: '1112131415161718',
    id: '2122232425262728',
    kind: 'SERVER',
    name: 'n',
    timestamp: 1,
    duration: 2,
    localEndpoint: { serviceName: 's', address: Uint8Array.of(127, 0, 0, 1) },
    annotation: { timestamp: 3, value: 'ss' },
    tags: new Map([['k', 'v']]),
    shared: true,
  });
  const span = [
    '0a080102030405060708',
    '12081817161514131211',
    '1a082827262524232221',
    '2002',
    '2a016e',
    '310100000000000000',
    '3802',
    '42090a01731204' + '7f000001',
    '520d09' + '0300000000000000' + '12027373',
    '5a060a016b120176',
    '6801',
  ].join('');
  assert.equal(Buffer.from(bytes).toString('hex'), `0a${(span.length / 2).toString(16)}${span}`);
});
