import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { DataStatus, HeadersStatus } from '../../http/filter.ts';
import { type HealthCheckConfig, HealthCheckFilter, HealthCheckStats, ResponseCache } from './filter.ts';

function config(more: Partial<HealthCheckConfig> = {}): HealthCheckConfig {
  return {
    stats: new HealthCheckStats(),
    tests: [(headers) => headers.path === '/health'],
    passThrough: false,
    minimums: [],
    cache: undefined,
    localCluster: 'mine',
    health: { failed: false },
    ...more,
  };
}

const clusterOf = (total: number, healthy: number, degraded = 0) =>
  ({
    stats: { membership_total: total, membership_healthy: healthy, membership_degraded: degraded },
  }) as unknown as Cluster;

/** The answer to a health check without a body. */
function ask(of: HealthCheckConfig, clusters: Readonly<Record<string, Cluster>> = {}, path = '/health') {
  const callbacks = new StubCallbacks({ clusters: { get: (name) => clusters[name] } });
  const filter = new HealthCheckFilter(of, callbacks);
  const status = filter.requestHeaders(Headers.request('GET', path, 'a'), true);
  const [reply] = callbacks.replies;
  return { filter, status, answer: reply && `${reply.status} ${reply.details}` };
}

test('answers here', () => {
  assert.equal(ask(config()).answer, '200 health_check_ok');
  assert.equal(ask(config({ health: { failed: true } })).answer, '503 health_check_failed');
  assert.equal(ask(config(), {}, '/other').status, HeadersStatus.Continue);
});

test('a body is taken before the answer', () => {
  const callbacks = new StubCallbacks();
  const filter = new HealthCheckFilter(config(), callbacks);
  filter.requestHeaders(Headers.request('POST', '/health', 'a'), false);
  assert.equal(filter.requestData(Buffer.from('x'), false), DataStatus.StopNoBuffer);
  assert.deepEqual(callbacks.replies, []);
  filter.requestData(Buffer.from('y'), true);
  assert.equal(callbacks.replies.length, 1);
});

test('by the health of clusters', () => {
  const minimum = (percent: number) => config({ minimums: [['c', percent]] });
  const cases: readonly (readonly [number, Cluster | undefined, string])[] = [
    [50, clusterOf(4, 1, 1), '200 health_check_ok_cluster_healthy'],
    [51, clusterOf(4, 1, 1), '503 health_check_failed_cluster_unhealthy'],
    [1, clusterOf(0, 0), '503 health_check_failed_cluster_empty'],
    [0, clusterOf(0, 0), '200 health_check_ok_cluster_healthy'],
    [0, undefined, '503 health_check_failed_no_cluster_found'],
  ];
  for (const [percent, cluster, answer] of cases) {
    assert.equal(ask(minimum(percent), cluster && { c: cluster }).answer, answer);
  }
});

test('what the service said is said again until its time is over', () => {
  const timers = new ManualTimers();
  const of = config({ passThrough: true, cache: new ResponseCache(1000, timers) });
  const first = ask(of);
  assert.equal(first.status, HeadersStatus.Continue);
  const headers = Headers.response(503, 'x-envoy-degraded', '');
  first.filter.responseHeaders(headers);
  assert.equal(headers.get('x-envoy-upstream-healthchecked-cluster'), 'mine');
  assert.equal(ask(of).answer, '503 health_check_cached');
  timers.advance(1000);
  assert.equal(ask(of).status, HeadersStatus.Continue);
  assert.deepEqual([of.stats.cached_response, of.stats.request_total, of.stats.degraded], [1, 1, 1]);
});

test('other responses say that the proxy is on its way out', () => {
  const { filter } = ask(config({ health: { failed: true } }), {}, '/other');
  const headers = Headers.response(200);
  filter.responseHeaders(headers);
  assert.equal(headers.get('x-envoy-immediate-health-check-fail'), 'true');
});
