import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import { limitStream } from './stream-duration.ts';

function limit(own: number | undefined, max: number | undefined, offset: number, told?: string) {
  const headers = Headers.request('POST', '/', 'a');
  if (told !== undefined) headers.set('grpc-timeout', told);
  let set: number | 'none' | 'kept' = 'kept';
  const action = { maxStreamDurationMs: own, grpcHeaderMaxMs: max, grpcHeaderOffsetMs: offset };
  limitStream(action, headers, { setMaxDuration: (ms) => void (set = ms ?? 'none') });
  return [set, headers.get('grpc-timeout')];
}

test('the limit of a stream', () => {
  assert.deepEqual(limit(undefined, undefined, 0), ['kept', undefined]);
  assert.deepEqual(limit(300, undefined, 0, '1S'), [300, '1S']);
  assert.deepEqual(limit(0, undefined, 0), ['none', undefined]);
  assert.deepEqual(limit(undefined, 500, 0), ['kept', undefined]);
  assert.deepEqual(limit(300, 500, 0, '200m'), [200, '200m']);
  assert.deepEqual(limit(300, 500, 100, '10S'), [400, '400m']);
  assert.deepEqual(limit(300, 0, 0, '10S'), [10_000, '10000m']);
});
