import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLogsRequest } from '../../../test/support/otlp.ts';
import { encodeLogRecord, encodeLogsRequest, encodeResourceOf } from './encode.ts';

test('records keep lists and maps, and the span that they are of', () => {
  const record = encodeLogRecord({
    time: 123n,
    body: 'å',
    attributes: new Map<string, string | string[] | Map<string, string>>([
      ['text', 'x'],
      ['list', ['a', 'b']],
      ['map', new Map([['k', 'v']])],
    ]),
    traceId: Buffer.alloc(16, 1),
    spanId: Buffer.alloc(8, 2),
  });
  const { resource, records } = readLogsRequest(
    encodeLogsRequest(encodeResourceOf(new Map([['who', 'me']])), undefined, [record]),
  );
  assert.deepEqual(resource, { who: 'me' });
  assert.deepEqual(records, [
    {
      time: 123n,
      body: 'å',
      attributes: { text: 'x', list: ['a', 'b'], map: { k: 'v' } },
      traceId: '01'.repeat(16),
      spanId: '02'.repeat(8),
    },
  ]);
});
