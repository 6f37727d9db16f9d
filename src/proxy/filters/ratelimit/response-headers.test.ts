import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { HeaderValueSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import { RateLimitResponse_DescriptorStatusSchema } from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { rateLimitHeaders, retryAfter, serviceHeaders } from './response-headers.ts';

const statuses = (list: readonly JsonObject[]) =>
  list.map((one) => fromJson(RateLimitResponse_DescriptorStatusSchema, one));
const told = (...list: JsonObject[]) => rateLimitHeaders(statuses(list), () => true);

test('the nearest limit, and all of them', () => {
  assert.deepEqual(told(), []);
  assert.deepEqual(told({ limitRemaining: 5 }), []);
  const current = (requestsPerUnit: number, unit: string, name = '') => ({
    currentLimit: { requestsPerUnit, unit, name },
  });
  assert.deepEqual(
    told(
      { ...current(10, 'SECOND', 'fast'), limitRemaining: 4, durationUntilReset: '0.5s' },
      { ...current(20, 'DAY'), limitRemaining: 3, durationUntilReset: '7.9s' },
      { ...current(30, 'UNKNOWN'), limitRemaining: 9 },
    ),
    [
      ['x-ratelimit-limit', '20, 10;w=1;name="fast", 20;w=86400'],
      ['x-ratelimit-remaining', '3'],
      ['x-ratelimit-reset', '7'],
    ],
  );
});

test('limits that are not to be told', () => {
  const list = statuses([
    { currentLimit: { requestsPerUnit: 1, unit: 'SECOND' }, limitRemaining: 1 },
    { currentLimit: { requestsPerUnit: 2, unit: 'SECOND' }, limitRemaining: 2 },
  ]);
  const limits = (...which: number[]) => rateLimitHeaders(list, (i) => which.includes(i))[0]?.[1];
  assert.deepEqual(
    [limits(), limits(0), limits(1), limits(0, 1)],
    [undefined, '1, 1;w=1', undefined, '1, 1;w=1, 2;w=1'],
  );
});

test('when to try again', () => {
  const wait = (...list: [string, string][]) =>
    retryAfter(statuses(list.map(([code, durationUntilReset]) => ({ code, durationUntilReset }))));
  assert.equal(wait(['OK', '9s']), undefined);
  assert.equal(wait(['OVER_LIMIT', '3.9s'], ['OVER_LIMIT', '5.1s'], ['OK', '60s']), 5);
});

test('headers that cannot be are left out', () => {
  const list: JsonObject[] = [
    { key: 'X-A', value: 'ü' },
    { key: 'x-raw', rawValue: '/w==' },
    { key: 'x-b', value: 'a\r\nc: d' },
    { key: 'x b', value: 'a' },
    { key: ':status', value: '200' },
    { key: '', value: 'a' },
  ];
  assert.deepEqual(serviceHeaders(list.map((one) => fromJson(HeaderValueSchema, one))), [
    ['x-a', 'Ã¼'],
    ['x-raw', '\xff'],
  ]);
});
