import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { newHost } from '../../../../test/support/hosts.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { HealthCheckSchema } from '../../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { HealthFlag } from '../host.ts';
import { healthCheckConfig } from './config.ts';
import { HealthEventLog } from './event-log.ts';
import { HostCheck } from './host-check.ts';
import { NETWORK_FAILURE, PASSED, type ProbeResult } from './probe.ts';
import { HealthCheckStats } from './stats.ts';

const NO: ProbeResult = { kind: 'failed', retriable: false, status: 503, excluded: false };
const MAYBE: ProbeResult = { ...NO, retriable: true };

const JSON_CONFIG: JsonObject = {
  timeout: '1s',
  interval: '10s',
  unhealthy_interval: '20s',
  unhealthy_edge_interval: '3s',
  healthy_edge_interval: '4s',
  no_traffic_interval: '60s',
  unhealthy_threshold: 2,
  healthy_threshold: 3,
  tcp_health_check: {},
};

function bench(options: { traffic?: boolean; more?: JsonObject } = {}) {
  const timers = new ManualTimers();
  const stats = new HealthCheckStats();
  const host = newHost(1);
  host.setHealthFlag(HealthFlag.FailedActiveHealthCheck, true);
  const config = healthCheckConfig(
    fromJson(HealthCheckSchema, { ...JSON_CONFIG, ...options.more }),
    new ConfigErrors(),
  )!;
  const changes: boolean[] = [];
  let done: ((result: ProbeResult) => void) | undefined;
  const probe = { start: (callback: typeof done) => (done = callback), abort: () => (done = undefined), close() {} };
  const check = new HostCheck(host, probe as never, {
    config,
    stats,
    timers,
    events: new HealthEventLog([], 'TCP', 'test', () => 0),
    random: () => 0.5,
    hasTraffic: () => options.traffic ?? true,
    checked: (_host, passed, changed) => changed && changes.push(passed),
  });
  timers.advance(0);
  /** Answers the check that runs, and tells in how many seconds the next one begins. */
  const answer = (result: ProbeResult): number => {
    const callback = done!;
    done = undefined;
    callback(result);
    const since = timers.now();
    while (done === undefined) timers.advance(500);
    return (timers.now() - since) / 1000;
  };
  return { timers, stats, host, check, changes, answer, running: () => done !== undefined };
}

test('thresholds, and the intervals at their edges', () => {
  const { answer, changes, host } = bench();
  assert.equal(answer(PASSED), 10, 'the first check counts at once');
  assert.equal(answer(NETWORK_FAILURE), 3);
  assert.equal(answer(PASSED), 10);
  assert.equal(answer(NETWORK_FAILURE), 3);
  assert.deepEqual(changes, [true]);
  assert.equal(answer(NETWORK_FAILURE), 20);
  assert.deepEqual([changes, host.healthy], [[true, false], false]);
  assert.equal(answer(PASSED), 4);
  assert.equal(answer(PASSED), 4);
  assert.equal(answer(PASSED), 10);
  assert.deepEqual([changes, host.healthy], [[true, false, true], true]);
});

test('an answer that says no is enough, unless it may be retried', () => {
  for (const [result, after] of [
    [NO, 1],
    [MAYBE, 2],
  ] as const) {
    const { answer, host } = bench();
    answer(PASSED);
    let count = 0;
    while (host.healthy) {
      answer(result);
      count++;
    }
    assert.equal(count, after);
  }
});

test('no answer within the timeout', () => {
  const { timers, stats, host, running } = bench();
  timers.advance(1000);
  assert.deepEqual([running(), stats.network_failure, host.has(HealthFlag.ActiveHealthCheckTimeout)], [false, 1, true]);
});

test('without traffic checks are rare', () => {
  assert.equal(bench({ traffic: false }).answer(PASSED), 60);
  assert.equal(bench({ traffic: false, more: { no_traffic_healthy_interval: '90s' } }).answer(PASSED), 90);
});

test('jitter makes intervals longer', () => {
  assert.equal(bench({ more: { interval_jitter: '2s' } }).answer(PASSED), 11);
  assert.equal(bench({ more: { interval_jitter_percent: 20 } }).answer(PASSED), 11);
});

test('degraded, and not any more', () => {
  const { answer, changes, host, stats } = bench();
  answer({ kind: 'passed', degraded: true });
  assert.deepEqual([host.degraded, stats.degraded], [true, 1]);
  answer(PASSED);
  assert.deepEqual([host.healthy, stats.degraded, changes], [true, 0, [true, true]]);
});

test('a host that says in passing that it fails is out at once', () => {
  const { check, answer, host, stats } = bench();
  answer(PASSED);
  check.failedImmediately();
  assert.deepEqual([host.healthy, host.excluded, stats.passive_failure], [false, true, 1]);
});

test('the gauge of healthy hosts does not outlive the check', () => {
  const { check, answer, stats, timers } = bench();
  answer(PASSED);
  assert.equal(stats.healthy, 1);
  check.close();
  assert.deepEqual([stats.healthy, timers.waiting], [0, 0]);
});
