import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { FakeExchange } from '../../../../test/support/fake-cluster.ts';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { newHost } from '../../../../test/support/hosts.ts';
import { RouteConfigurationSchema } from '../../../api/gen/envoy/config/route/v3/route_pb.ts';
import { registry } from '../../../api/registry.ts';
import { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import type { UpstreamStreamHandler } from '../../cluster/cluster.ts';
import { ClusterStats } from '../../cluster/cluster-stats.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { HeadersStatus } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StatsStore } from '../../observe/stats.ts';
import { RouteTable } from '../../router/route-table.ts';
import { RouterFilter } from './filter.ts';
import { RouterStats } from './stats.ts';

/** The route of one action, as it comes from the API. */
function routeOf(action: JsonObject) {
  const errors = new ConfigErrors();
  const json = {
    name: 'r',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: [{ match: { prefix: '/' }, ...action }],
        include_attempt_count_in_response: true,
      },
    ],
  };
  const proto = fromJson(RouteConfigurationSchema, json, { registry });
  const runtime = { get: () => undefined };
  const environment = { filters: { compile: () => [] }, stats: new StatsStore(), runtime, readData: () => undefined };
  const table = RouteTable.compile(proto, environment as never, errors);
  assert.equal(errors.toString(), '');
  const context = { peerPresented: false, peerValidated: false, dynamicMetadata: undefined, random: () => 0.5 };
  return table.match(Headers.request('GET', '/', 'a.b'), context as never);
}

/** A router whose cluster has one host; the requests that it sends there wait in `exchanges`. */
function setUp(fields: JsonObject = {}, more: { readonly healthy?: boolean; readonly cluster?: boolean } = {}) {
  const callbacks = new StubCallbacks();
  const stats = new RouterStats();
  const clusterStats = new ClusterStats();
  const exchanges: FakeExchange[] = [];
  const resources = { canRetry: true, retries: { inUse: 0 } };
  const cluster = {
    name: 'c',
    statName: 'c',
    stats: clusterStats,
    autoSniHeader: '',
    defaultResources: resources,
    highResources: resources,
    inMaintenance: () => false,
    dropShare: 0,
    pick: () => ((more.healthy ?? true) ? newHost(80) : undefined),
    openHttp(_host: unknown, _options: unknown, handler: UpstreamStreamHandler) {
      const exchange = new FakeExchange(handler);
      exchanges.push(exchange);
      const none = { address: '', port: 0, family: 0 } as const;
      handler.onReady(exchange, { id: 1, local: none, remote: none, tls: undefined, protocol: 'HTTP/1.1' });
      return undefined;
    },
  };
  Object.assign(callbacks, { clusters: { get: () => ((more.cluster ?? true) ? cluster : undefined) } });
  callbacks.route = routeOf({ route: { cluster: 'c', ...fields } });
  callbacks.chosenCluster = { name: 'c', filterConfig: () => undefined } as never;
  const config = {
    stats,
    suppressEnvoyHeaders: false,
    dynamicStats: true,
    startChildSpan: false,
    localAddress: '10.0.0.9',
  };
  const filter = new RouterFilter(config, callbacks);
  const request = (method = 'GET', end = true) => {
    const headers = Headers.request(method, '/', 'a.b');
    callbacks.requestHeaders = headers;
    return filter.requestHeaders(headers, end);
  };
  return { filter, callbacks, stats, clusterStats, exchanges, request };
}

const answers = ({ replies }: StubCallbacks) => replies.map(({ status, details }) => `${status} ${details}`);

test('a request goes to a host of its cluster, and the response comes back', () => {
  const { filter, callbacks, stats, clusterStats, exchanges, request } = setUp();
  assert.equal(request('POST', false), HeadersStatus.StopIteration);
  filter.requestData(Buffer.from('question'), true);
  assert.deepEqual([exchanges[0].body, exchanges[0].ended], ['question', true]);
  callbacks.timers.advance(7);
  const headers = Headers.response(200);
  exchanges[0].handler.onHeaders(headers, false);
  exchanges[0].handler.onData(Buffer.from('answer'), true);
  assert.deepEqual(callbacks.calls.slice(-2), ['respond 200 false', 'respondData answer true']);
  assert.equal(headers.get('x-envoy-upstream-service-time'), '7');
  assert.equal(headers.get('x-envoy-attempt-count'), '1');
  assert.deepEqual([stats.rq_total, clusterStats.upstream_rq_completed], [1, 1]);
  assert.equal(callbacks.info.responseCodeDetails, 'via_upstream');
});

describe('requests that go nowhere', () => {
  test('without a route', () => {
    const { callbacks, stats, request } = setUp();
    callbacks.route = undefined;
    assert.equal(request(), HeadersStatus.StopAll);
    assert.deepEqual([answers(callbacks), stats.no_route], [['404 route_not_found'], 1]);
  });

  test('without a cluster', () => {
    const { callbacks, stats, request } = setUp({}, { cluster: false });
    request();
    assert.deepEqual([answers(callbacks), stats.no_cluster], [['503 cluster_not_found'], 1]);
  });

  test('without a host', () => {
    const { callbacks, clusterStats, request } = setUp({}, { healthy: false });
    request();
    assert.deepEqual(answers(callbacks), ['503 no_healthy_upstream']);
    assert.equal(callbacks.replies[0].flags, ResponseFlag.NoHealthyUpstream);
    assert.equal(clusterStats.upstream_cx_none_healthy, 1);
  });
});

test('the whole request has its time, from its end on', () => {
  const { filter, callbacks, clusterStats, exchanges, request } = setUp({ timeout: '2s' });
  request('POST', false);
  callbacks.timers.advance(10_000);
  assert.deepEqual(answers(callbacks), []);
  filter.requestData(Buffer.alloc(0), true);
  callbacks.timers.advance(1999);
  assert.deepEqual(answers(callbacks), []);
  callbacks.timers.advance(1);
  assert.deepEqual([answers(callbacks), clusterStats.upstream_rq_timeout], [['504 response_timeout'], 1]);
  assert.equal(exchanges[0].reset_, ResetReason.LocalReset);
});

describe('retries', () => {
  const RETRY = { retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.010s' } } };

  test('send the whole request again, and bring the last response', () => {
    const { filter, callbacks, exchanges, request } = setUp(RETRY);
    request('POST', false);
    filter.requestData(Buffer.from('a'), false);
    filter.requestData(Buffer.from('b'), true);
    exchanges[0].answer(503);
    callbacks.timers.advance(100);
    assert.deepEqual([exchanges.length, exchanges[1].body, exchanges[1].ended], [2, 'ab', true]);
    exchanges[1].answer(503);
    callbacks.timers.advance(100);
    assert.equal(exchanges.length, 2);
    assert.deepEqual(callbacks.calls.slice(-1), ['respond 503 true']);
    assert.equal(callbacks.info.attemptCount, 2);
    assert.ok(callbacks.info.flags & ResponseFlag.UpstreamRetryLimitExceeded);
  });

  test('are given up when the request is', () => {
    const { filter, callbacks, exchanges, request } = setUp(RETRY);
    request();
    exchanges[0].answer(503);
    filter.destroy();
    callbacks.timers.advance(100);
    assert.equal(exchanges.length, 1);
  });

  test('are not made once the response has begun', () => {
    const { callbacks, stats, exchanges, request } = setUp(RETRY);
    request();
    exchanges[0].handler.onHeaders(Headers.response(200), false);
    exchanges[0].fail();
    callbacks.timers.advance(100);
    assert.deepEqual([exchanges.length, callbacks.calls.at(-1)], [1, 'reset']);
    assert.equal(stats.rq_reset_after_downstream_response_started, 1);
  });
});

test('an attempt that fails is told of in words of its own', () => {
  const { callbacks, exchanges, request } = setUp();
  request();
  exchanges[0].fail();
  assert.deepEqual(answers(callbacks), ['503 upstream_reset_before_response_started{connection_termination}']);
  const headers = Headers.response(503);
  callbacks.replies[0].edit?.(headers);
  assert.equal(headers.get('x-envoy-attempt-count'), '1');
});

test('nothing of an attempt is heard after the end', () => {
  const { filter, callbacks, exchanges, request } = setUp();
  request();
  filter.destroy();
  assert.equal(exchanges[0].reset_, ResetReason.LocalReset);
  const before = callbacks.calls.length;
  exchanges[0].handler.onHeaders(Headers.response(200), true);
  assert.equal(callbacks.calls.length, before);
});
