import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import { BufferFilter } from './filter.ts';

function start(end: boolean) {
  const callbacks = new StubCallbacks();
  const filter = new BufferFilter(10, callbacks);
  const headers = Headers.request('POST', '/', 'a');
  return { callbacks, filter, headers, status: filter.requestHeaders(headers, end) };
}
const bytes = (count: number) => Buffer.alloc(count);

test('a request without a body passes', () => {
  assert.equal(start(true).status, HeadersStatus.Continue);
});

test('a body is kept until it is whole, and its length told', () => {
  const { callbacks, filter, headers, status } = start(false);
  assert.equal(status, HeadersStatus.StopIteration);
  assert.deepEqual(callbacks.calls, ['setBufferLimit 10']);
  assert.equal(filter.requestData(bytes(4), false), DataStatus.StopAndBuffer);
  assert.equal(filter.requestData(bytes(6), true), DataStatus.Continue);
  assert.equal(headers.get('content-length'), '10');
});

test('trailers end it too', () => {
  const { filter, headers } = start(false);
  filter.requestData(bytes(3), false);
  assert.equal(filter.requestTrailers(), TrailersStatus.Continue);
  assert.equal(headers.get('content-length'), '3');
});

test('one that is too long is not let through', () => {
  const { filter, headers } = start(false);
  assert.equal(filter.requestData(bytes(11), true), DataStatus.StopAndBuffer);
  assert.equal(headers.has('content-length'), false);
});
