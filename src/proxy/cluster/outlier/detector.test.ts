import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { newHost } from '../../../../test/support/hosts.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { OutlierDetectionSchema } from '../../../api/gen/envoy/config/cluster/v3/outlier_detection_pb.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { HealthFlag } from '../host.ts';
import { outlierConfig } from './config.ts';
import { OutlierDetector } from './detector.ts';
import { OutlierStats } from './stats.ts';

function bench(json: JsonObject, count = 4, random = () => 0) {
  const timers = new ManualTimers();
  const stats = new OutlierStats();
  const changes: string[] = [];
  const errors = new ConfigErrors();
  const config = outlierConfig(fromJson(OutlierDetectionSchema, json), errors);
  assert.deepEqual(errors.list, []);
  const detector = new OutlierDetector(config, {
    timers,
    random,
    stats,
    log: undefined,
    changed: (host, ejected) => changes.push(`${ejected ? '-' : '+'}${host.address.port}`),
  });
  const hosts = Array.from({ length: count }, (_, i) => newHost(i + 1));
  for (const host of hosts) detector.add(host);
  return { timers, stats, changes, detector, hosts };
}

test('only failures in a row count, and a success begins anew', () => {
  const { hosts, changes } = bench({ consecutive_5xx: 3, max_ejection_percent: 100 });
  const answers = (...list: number[]) => list.forEach((status) => hosts[0].outcomes!.httpResponse(status));
  answers(500, 500, 200, 500, 500);
  assert.deepEqual(changes, []);
  answers(499, 503, 504, 501);
  assert.deepEqual(changes, ['-1']);
  answers(500, 500, 500);
  assert.deepEqual(changes, ['-1']);
});

test('each ejection in a row is longer, up to a limit; a good interval takes that back', () => {
  const { hosts, timers, changes } = bench({
    consecutive_5xx: 1,
    interval: '1s',
    base_ejection_time: '10s',
    max_ejection_time: '25s',
    max_ejection_percent: 100,
  });
  const outFor = () => {
    hosts[0].outcomes!.httpResponse(500);
    const since = timers.now();
    while (hosts[0].has(HealthFlag.FailedOutlierCheck)) timers.advance(1000);
    return (timers.now() - since) / 1000;
  };
  assert.deepEqual([outFor(), outFor(), outFor(), outFor()], [10, 20, 25, 25]);
  timers.advance(60_000);
  assert.equal(outFor(), 10);
  assert.deepEqual(changes.slice(-2), ['-1', '+1']);
});

test('no more hosts than max_ejection_percent are out at a time', () => {
  const { hosts, stats, changes, detector } = bench({ consecutive_5xx: 1, max_ejection_percent: 50 });
  for (const host of hosts) host.outcomes!.httpResponse(500);
  assert.deepEqual(changes, ['-1', '-2']);
  assert.deepEqual([stats.ejections_active, stats.ejections_overflow], [2, 2]);
  detector.remove(hosts[0]);
  assert.equal(stats.ejections_active, 1);
  detector.close();
  assert.equal(stats.ejections_active, 0);
});

test('an ejection that is not enforced is only counted', () => {
  const { hosts, stats, changes } = bench(
    { consecutive_5xx: 1, enforcing_consecutive_5xx: 30, max_ejection_percent: 100 },
    4,
    () => 0.3,
  );
  hosts[0].outcomes!.httpResponse(500);
  assert.deepEqual(changes, []);
  assert.deepEqual([stats.ejections_detected_consecutive_5xx, stats.ejections_enforced_total], [1, 0]);
});

test('hosts with a success rate far below the others are out', () => {
  const { hosts, timers, changes, detector } = bench(
    { interval: '10s', consecutive_5xx: 1000, success_rate_request_volume: 10, max_ejection_percent: 100 },
    6,
  );
  hosts.forEach(({ outcomes }, i) => {
    for (let n = 0; n < 20; n++) outcomes!.httpResponse(i === 5 && n < 10 ? 500 : 200);
  });
  timers.advance(10_000);
  assert.deepEqual(changes, ['-6']);
  // Mean 550/6, deviation 50 * sqrt(5) / 6, of which 1.9 are allowed.
  const { average, threshold } = detector.thresholds.external;
  assert.deepEqual([average.toFixed(3), threshold.toFixed(3)], ['91.667', (91.6667 - 1.9 * 18.6339).toFixed(3)]);
  assert.equal(detector.monitorOf(hosts[5])?.external.shown, 50);
});

test('a passed health check brings a host back', () => {
  for (const [allowed, changes] of [
    [true, ['-1', '+1']],
    [false, ['-1']],
  ] as const) {
    const b = bench({
      consecutive_5xx: 1,
      successful_active_health_check_uneject_host: allowed,
      max_ejection_percent: 100,
    });
    b.hosts[0].outcomes!.httpResponse(500);
    b.detector.checkPassed(b.hosts[0]);
    assert.deepEqual(b.changes, changes);
  }
});

test('without hosts nothing is waited for', () => {
  const { detector, hosts, timers } = bench({}, 1);
  assert.equal(timers.waiting, 1);
  detector.remove(hosts[0]);
  assert.equal(timers.waiting, 0);
});

test('what cannot be is refused', () => {
  const errors = new ConfigErrors();
  const json = { interval: '0s', max_ejection_percent: 101, base_ejection_time: '10s', max_ejection_time: '5s' };
  outlierConfig(fromJson(OutlierDetectionSchema, json), errors);
  assert.deepEqual(errors.list.map(({ path }) => path).sort(), [
    'interval',
    'max_ejection_percent',
    'max_ejection_time',
  ]);
});
