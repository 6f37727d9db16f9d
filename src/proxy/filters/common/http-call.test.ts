import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { Headers } from '../../../wire/headers.ts';
import { callHttp, type HttpCall, type HttpCallResult } from './http-call.ts';

function start(more: Partial<HttpCall> = {}, clusters = new FakeClusters('c')) {
  const timers = new ManualTimers();
  const results: HttpCallResult[] = [];
  const call = callHttp(
    { clusters, timers, random: () => 0.5, localAddress: '10.0.0.9' },
    { cluster: 'c', headers: Headers.request('GET', '/x', 'a'), timeoutMs: 1000, maxBytes: 10, ...more },
    (result) => results.push(result),
  );
  return { clusters, timers, results, call };
}

test('a request and its response', () => {
  const { clusters, results, timers } = start();
  assert.deepEqual(
    [...clusters.last.headers],
    [
      [':method', 'GET'],
      [':path', '/x'],
      [':authority', 'a'],
      ['x-envoy-internal', 'true'],
      ['x-forwarded-for', '10.0.0.9'],
      ['x-envoy-expected-rq-timeout-ms', '1000'],
    ],
  );
  assert.equal(clusters.last.ended, true);
  clusters.last.answer(200, 'body', 'x', 'y');
  const [result] = results;
  assert.ok(typeof result === 'object');
  assert.deepEqual([result.headers.status, result.headers.get('x'), result.body.toString()], [200, 'y', 'body']);
  assert.equal(timers.waiting, 0);
});

test('with body', () => {
  const { clusters } = start({ body: Buffer.from('abc') });
  assert.deepEqual([clusters.last.body, clusters.last.ended], ['abc', true]);
});

test('what ends without a response', () => {
  assert.deepEqual(start({ cluster: 'other' }).results, ['no cluster']);
  const unhealthy = new FakeClusters('c');
  unhealthy.unhealthy = true;
  assert.deepEqual(start({}, unhealthy).results, ['no healthy upstream']);
  const refusing = new FakeClusters('c');
  refusing.refusing = true;
  assert.deepEqual(start({}, refusing).results, ['connection failure']);
  const reset = start();
  reset.clusters.last.fail();
  assert.deepEqual(reset.results, ['connection failure']);
  const slow = start();
  slow.timers.advance(1000);
  assert.deepEqual(slow.results, ['timeout']);
  assert.equal(slow.clusters.last.reset_, 'local-reset');
  const large = start();
  large.clusters.last.answer(200, '12345678901');
  assert.deepEqual(large.results, ['too large']);
  assert.equal(large.clusters.last.reset_, 'local-reset');
});

test('tries again after a while, so many times', () => {
  const { clusters, results, timers } = start({ retry: { count: 2, baseMs: 100, maxMs: 150 } });
  clusters.last.answer(503);
  assert.equal(clusters.exchanges.length, 1);
  timers.advance(50);
  clusters.last.fail();
  assert.equal(clusters.exchanges.length, 2);
  timers.advance(74);
  assert.equal(clusters.exchanges.length, 2);
  timers.advance(1);
  assert.equal(clusters.exchanges.length, 3);
  assert.deepEqual(results, []);
  clusters.last.answer(500);
  assert.equal((results[0] as { headers: Headers }).headers.status, 500);
  assert.equal(timers.waiting, 0);
});

test('the time is for all tries together', () => {
  const { clusters, results, timers } = start({ retry: { count: 9, baseMs: 800, maxMs: 8000 } });
  clusters.last.fail();
  timers.advance(400);
  clusters.last.fail();
  timers.advance(600);
  assert.deepEqual(results, ['timeout']);
  timers.advance(10_000);
  assert.equal(clusters.exchanges.length, 2);
});

test('nothing comes after it was cancelled', () => {
  const sent = start();
  sent.call.cancel();
  assert.equal(sent.clusters.last.reset_, 'local-reset');
  const waiting = new FakeClusters('c');
  waiting.ready = false;
  const unsent = start({}, waiting);
  unsent.call.cancel();
  assert.equal(unsent.clusters.last.cancelled, true);
  const pausing = start({ retry: { count: 1, baseMs: 100, maxMs: 100 } });
  pausing.clusters.last.fail();
  pausing.call.cancel();
  for (const { results, timers } of [sent, unsent, pausing]) {
    timers.advance(10_000);
    assert.deepEqual(results, []);
  }
});
