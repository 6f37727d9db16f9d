import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newHost } from '../../../../test/support/hosts.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import { ClusterStats } from '../../cluster/cluster-stats.ts';
import { NO_RETRIES, RetryOn, type RetryPolicy } from '../../router/retry-policy.ts';
import { RetryState } from './retry-state.ts';

interface More {
  readonly policy?: Partial<RetryPolicy>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Retries that the circuit breaker allows at a time. */
  readonly allowed?: number;
}

function setUp({ policy, headers = {}, allowed = 10 }: More = {}) {
  const request = Headers.request('GET', '/', 'a.b');
  for (const [name, value] of Object.entries(headers)) request.set(name, value);
  const timers = new ManualTimers();
  const stats = new ClusterStats();
  const retries = { inUse: 0 };
  const resources = {
    retries,
    get canRetry() {
      return retries.inUse < allowed;
    },
  };
  const all = { ...NO_RETRIES, ...policy };
  const none = undefined;
  const state = RetryState.create(all, request, stats, none, none, resources as never, timers, () => 0.5);
  return { state, request, timers, stats, retries };
}

const on = (retryOn: number, more: Partial<RetryPolicy> = {}) => ({ policy: { retryOn, ...more } });
const response = (status: number, ...fields: string[]) => {
  const headers = Headers.response(status);
  for (let i = 0; i < fields.length; i += 2) headers.set(fields[i], fields[i + 1]);
  return headers;
};
const ignored = () => {};

test('nothing is kept of a request that is never retried, and its headers go no further', () => {
  const { state, request } = setUp({ headers: { 'x-envoy-max-retries': '3', 'x-other': '1' } });
  assert.equal(state, undefined);
  assert.deepEqual([request.has('x-envoy-max-retries'), request.has('x-other')], [false, true]);
});

test('headers add conditions, and set the number', () => {
  const headers = { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' };
  const { state, request } = setUp({ headers });
  assert.equal(request.has('x-envoy-retry-on'), false);
  assert.equal(state?.onResponse(response(500), ignored), true);
  assert.equal(state?.onResponse(response(500), ignored), true);
  assert.equal(state?.onResponse(response(500), ignored), false);
  assert.equal(state?.limitExceeded, true);
});

test('only requests that the policy means', () => {
  const retriableRequestHeaders = [(headers: Headers) => headers.method === 'POST'];
  assert.equal(setUp(on(RetryOn.ServerError, { retriableRequestHeaders })).state, undefined);
});

describe('responses', () => {
  const table: [string, More, Headers, boolean][] = [
    ['5xx', on(RetryOn.ServerError), response(503), true],
    ['no 5xx', on(RetryOn.ServerError), response(499), false],
    ['gateway error', on(RetryOn.GatewayError), response(502), true],
    ['no gateway error', on(RetryOn.GatewayError), response(500), false],
    ['409', on(RetryOn.Retriable4xx), response(409), true],
    ['another 4xx', on(RetryOn.Retriable4xx), response(404), false],
    ['a status of the policy', on(RetryOn.RetriableStatusCodes, { statusCodes: [418] }), response(418), true],
    [
      'a status of the request',
      { policy: { retryOn: RetryOn.RetriableStatusCodes }, headers: { 'x-envoy-retriable-status-codes': '418, 419' } },
      response(419),
      true,
    ],
    ['a status of nobody', on(RetryOn.RetriableStatusCodes, { statusCodes: [418] }), response(419), false],
    ['a header', on(RetryOn.RetriableHeaders, { retriableHeaders: [(h) => h.has('x')] }), response(200, 'x', ''), true],
    ['rate limited', on(RetryOn.ServerError), response(503, 'x-envoy-ratelimited', 'true'), false],
    ['rate limited, wanted', on(RetryOn.RateLimited), response(429, 'x-envoy-ratelimited', 'true'), true],
    [
      'a status of gRPC',
      { headers: { 'x-envoy-retry-grpc-on': 'unavailable' } },
      response(200, 'grpc-status', '14'),
      true,
    ],
    ['another', { headers: { 'x-envoy-retry-grpc-on': 'unavailable' } }, response(200, 'grpc-status', '13'), false],
  ];
  for (const [name, more, headers, wanted] of table) {
    test(name, () => assert.equal(setUp(more).state?.onResponse(headers, ignored), wanted));
  }
});

describe('failures', () => {
  const started = (reason: ResetReason) => ({ reason, requestStarted: true });
  const table: [string, number, { reason: ResetReason; requestStarted: boolean }, boolean][] = [
    ['reset', RetryOn.Reset, started(ResetReason.RemoteReset), true],
    ['a circuit breaker', RetryOn.Reset, started(ResetReason.Overflow), false],
    ['5xx', RetryOn.ServerError, started(ResetReason.ConnectionTermination), true],
    ['gateway error', RetryOn.GatewayError, started(ResetReason.ConnectionTermination), true],
    ['refused', RetryOn.RefusedStream, started(ResetReason.RemoteRefused), true],
    ['not refused', RetryOn.RefusedStream, started(ResetReason.RemoteReset), false],
    ['no connection', RetryOn.ConnectFailure, started(ResetReason.ConnectionFailure), true],
    ['a connection that ended', RetryOn.ConnectFailure, started(ResetReason.ConnectionTermination), false],
    [
      'before the request',
      RetryOn.ResetBeforeRequest,
      { reason: ResetReason.RemoteReset, requestStarted: false },
      true,
    ],
    ['within the request', RetryOn.ResetBeforeRequest, started(ResetReason.RemoteReset), false],
  ];
  for (const [name, retryOn, failure, wanted] of table) {
    test(name, () => assert.equal(setUp(on(retryOn)).state?.onFailure(failure, ignored), wanted));
  }
});

test('waits half of a bound that doubles, up to the largest', () => {
  const { state, timers } = setUp(on(RetryOn.ServerError, { numRetries: 4, backoffBaseMs: 100, backoffMaxMs: 300 }));
  const at: number[] = [];
  for (let i = 0; i < 4; i++) {
    const begun = timers.now();
    state!.onResponse(response(500), () => at.push(timers.now() - begun));
    timers.advance(1000);
  }
  assert.deepEqual(at, [50, 150, 300, 300]);
});

test('a server that says when is believed, within reason', () => {
  const headers = [{ name: 'retry-after', unixTimestamp: false }];
  const policy = { rateLimitedReset: { headers, maxMs: 10_000 } };
  const wait = (seconds: string) => {
    const { state, timers } = setUp(on(RetryOn.ServerError, policy));
    let waited = -1;
    state!.onResponse(response(503, 'retry-after', seconds), () => (waited = timers.now()));
    timers.advance(100_000);
    return waited;
  };
  // A quarter more at the middle of the jitter; the back-off where nothing sensible is said.
  assert.deepEqual([wait('4'), wait('11'), wait('soon')], [5000, 12.5, 12.5]);
});

test('a place of the circuit breaker is taken while the retry is under way, and given back', () => {
  const { state, stats, retries } = setUp({ ...on(RetryOn.ServerError, { numRetries: 3 }), allowed: 1 });
  assert.equal(state!.onResponse(response(500), ignored), true);
  assert.equal(retries.inUse, 1);
  assert.equal(state!.onResponse(response(200), ignored), false);
  assert.deepEqual([retries.inUse, stats.upstream_rq_retry_success], [0, 1]);
});

test('a circuit breaker that is open is told of', () => {
  const { state, stats, timers } = setUp({ ...on(RetryOn.ServerError), allowed: 0 });
  assert.equal(state!.onResponse(response(500), ignored), false);
  assert.deepEqual([state!.overflowed, stats.upstream_rq_retry_overflow, timers.waiting], [true, 1, 0]);
});

test('nothing is left of a request that is over', () => {
  const { state, timers, retries } = setUp(on(RetryOn.ServerError));
  state!.onResponse(response(500), () => assert.fail('retried'));
  state!.close();
  timers.advance(10_000);
  assert.equal(retries.inUse, 0);
});

test('hosts that were tried are avoided where the policy says so', () => {
  const [tried, other] = [newHost(1), newHost(2)];
  for (const avoidPreviousHosts of [true, false]) {
    const { state } = setUp(on(RetryOn.ServerError, { avoidPreviousHosts }));
    state!.noteHost(tried);
    assert.deepEqual([state!.rejects(tried), state!.rejects(other)], [avoidPreviousHosts, false]);
  }
});

test('an attempt beside one that takes long takes the place of a retry', () => {
  const { state, timers, stats } = setUp(on(RetryOn.ServerError, { numRetries: 1 }));
  let begun = 0;
  const begin = () => void begun++;
  assert.equal(state!.onHedge(begin), true);
  assert.equal(state!.pending, true);
  timers.advance(25);
  assert.deepEqual([state!.pending, begun, stats.upstream_rq_retry], [false, 1, 1]);
  assert.deepEqual([state!.wouldRetry(response(503)), state!.wouldRetry(response(404))], [true, false]);
  assert.deepEqual([state!.onHedge(begin), state!.limitExceeded], [false, true]);
  // Its good response counts as that of a retry all the same.
  assert.deepEqual([state!.onResponse(response(200), begin), state!.limitExceeded], [false, false]);
  assert.equal(stats.upstream_rq_retry_success, 1);
});
