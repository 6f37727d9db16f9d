import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { HTTPFaultSchema } from '../../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import { FaultFilter } from './filter.ts';
import { faultSettings } from './settings.ts';
import { FaultStats } from './stats.ts';

function settings(json: JsonObject) {
  const errors = new ConfigErrors();
  const compiled = faultSettings(fromJson(HTTPFaultSchema, json), { get: () => undefined }, errors);
  return { compiled, errors: errors.list };
}

function start(json: JsonObject, options: { stats?: FaultStats; limit?: number; headers?: [string, string][] } = {}) {
  const { compiled, errors } = settings(json);
  assert.deepEqual(errors, []);
  const callbacks = new StubCallbacks();
  const stats = options.stats ?? new FaultStats();
  const filter = new FaultFilter(stats, compiled, options.limit ?? 1000, callbacks);
  const headers = Headers.request('GET', '/', 'a', ...(options.headers ?? []).flat());
  return { callbacks, stats, filter, status: filter.requestHeaders(headers) };
}

const ALL = { numerator: 100 };

describe('the rate of a response', () => {
  const slow = { responseRateLimit: { fixedLimit: { limitKbps: '1' }, percentage: ALL } };
  const body = (n: number) => Buffer.from('x'.repeat(n));

  test('a twentieth of a second at a time', () => {
    const { filter, callbacks } = start(slow);
    assert.equal(filter.responseData(body(130), true), DataStatus.StopNoBuffer);
    assert.equal(callbacks.calls.length, 0);
    callbacks.timers.advance(0);
    callbacks.timers.advance(50);
    callbacks.timers.advance(50);
    const lengths = callbacks.calls.map((c) => [c.split(' ')[1].length, c.endsWith('true')]);
    // 1024 bytes a second are 51.2 bytes in 50 ms.
    assert.deepEqual(lengths, [
      [51, false],
      [51, false],
      [28, true],
    ]);
    assert.equal(callbacks.timers.waiting, 0);
  });

  test('trailers wait for the body', () => {
    const { filter, callbacks } = start(slow);
    filter.responseData(body(60), false);
    assert.equal(filter.responseTrailers(), TrailersStatus.Stop);
    callbacks.timers.advance(100);
    assert.equal(callbacks.calls.at(-1), 'continueResponse');
    assert.ok(callbacks.calls.every((c) => !c.endsWith('true')));
  });

  test('trailers without body to wait for go on', () => {
    assert.equal(start(slow).filter.responseTrailers(), TrailersStatus.Continue);
  });

  test('the upstream waits while more than the limit is held', () => {
    const { filter, callbacks } = start(slow, { limit: 100 });
    filter.responseData(body(160), true);
    assert.deepEqual(callbacks.calls, ['pauseResponse true']);
    callbacks.timers.advance(60);
    assert.equal(callbacks.calls.at(-1), 'pauseResponse false');
  });

  test('a stream that ends leaves no timer', () => {
    const { filter, callbacks, stats } = start(slow);
    filter.responseData(body(500), true);
    assert.equal(stats.active_faults, 1);
    filter.destroy();
    assert.equal(callbacks.timers.waiting, 0);
    assert.equal(stats.active_faults, 0);
  });
});

describe('delays', () => {
  const late = { delay: { fixedDelay: '5s', percentage: ALL } };

  test('the request goes on when its time has come', () => {
    const { callbacks, status, stats } = start(late);
    assert.equal(status, HeadersStatus.StopAll);
    callbacks.timers.advance(4999);
    assert.deepEqual(callbacks.calls, []);
    callbacks.timers.advance(1);
    assert.deepEqual(callbacks.calls, ['continueRequest']);
    assert.equal(stats.delays_injected, 1);
  });

  test('a stream that ends before cancels it', () => {
    const { callbacks, filter } = start(late);
    filter.destroy();
    callbacks.timers.advance(10_000);
    assert.deepEqual(callbacks.calls, []);
  });

  test('more than so many at a time are none', () => {
    const stats = new FaultStats();
    const some = { ...late, maxActiveFaults: 1 };
    const first = start(some, { stats });
    assert.equal(start(some, { stats }).status, HeadersStatus.Continue);
    assert.equal(stats.faults_overflow, 1);
    first.filter.destroy();
    assert.equal(start(some, { stats }).status, HeadersStatus.StopAll);
  });

  test('the service that a request comes from has counters of its own', () => {
    const headers: [string, string][] = [['x-envoy-downstream-service-cluster', 'shop']];
    const { stats } = start({ ...late, abort: { httpStatus: 503, percentage: ALL } }, { headers });
    assert.deepEqual([...stats.dynamic()], [['shop.delays_injected', 1]]);
    assert.deepEqual([...start({ ...late, disableDownstreamClusterStats: true }, { headers }).stats.dynamic()], []);
  });
});

test('a share of requests', () => {
  const json = { abort: { httpStatus: 503, percentage: { numerator: 2500, denominator: 'TEN_THOUSAND' } } };
  for (const [random, hit] of [
    [0.249, true],
    [0.251, false],
  ] as const) {
    const { compiled } = settings(json);
    const callbacks = new StubCallbacks();
    callbacks.random = () => random;
    new FaultFilter(new FaultStats(), compiled, 0, callbacks).requestHeaders(Headers.request('GET', '/', 'a'));
    assert.equal(callbacks.replies.length === 1, hit);
  }
});

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [{ abort: { percentage: ALL } }, 'abort'],
    [{ abort: { httpStatus: 99 } }, 'abort.http_status'],
    [{ delay: {} }, 'delay'],
    [{ delay: { fixedDelay: '0s' } }, 'delay.fixed_delay'],
    [{ responseRateLimit: {} }, 'response_rate_limit'],
    [{ responseRateLimit: { fixedLimit: {} } }, 'response_rate_limit.fixed_limit.limit_kbps'],
    [{ headers: [{ name: '' }] }, 'headers[0].name'],
  ];
  for (const [json, path] of table) assert.equal(settings(json).errors[0]?.path, path, JSON.stringify(json));
});
