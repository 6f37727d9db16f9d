import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { rsaKey } from '../../../../test/support/jwt.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { silentLogger } from '../../../base/log.ts';
import type { Jwks } from './jwks.ts';
import { RemoteKeys } from './key-source.ts';
import { JwtStats } from './stats.ts';

const SET = JSON.stringify({ keys: [rsaKey('a').jwk()] });

function source() {
  const clusters = new FakeClusters('jwks');
  const timers = new ManualTimers();
  const stats = new JwtStats();
  const keys = new RemoteKeys(
    {
      cluster: 'jwks',
      scheme: 'https',
      authority: 'a.example',
      path: '/keys?x',
      timeoutMs: 1000,
      cacheMs: 60_000,
      retry: undefined,
    },
    { clusters, timers, random: () => 0, localAddress: '10.0.0.9' },
    stats,
    silentLogger,
  );
  return { clusters, timers, stats, keys };
}

describe('keys that requests ask for', () => {
  test('requests wait for one fetch, and what comes is kept for its time', () => {
    const { clusters, timers, stats, keys } = source();
    const got: (Jwks | undefined)[] = [];
    keys.fetch((k) => got.push(k));
    keys.fetch((k) => got.push(k));
    assert.equal(clusters.exchanges.length, 1);
    const { headers } = clusters.last;
    assert.deepEqual(
      [headers.method, headers.scheme, headers.authority, headers.path],
      ['GET', 'https', 'a.example', '/keys?x'],
    );
    clusters.last.answer(200, SET);
    assert.equal(got.length, 2);
    assert.ok(got[0] !== undefined && got[0] === got[1] && keys.keys === got[0]);
    timers.advance(59_999);
    assert.ok(keys.keys);
    timers.advance(1);
    assert.equal(keys.keys, undefined);
    assert.equal(timers.waiting, 0);
    assert.equal(stats.jwks_fetch_success, 1);
  });

  test('what is no key set is a failure, and the next request tries anew', () => {
    const { clusters, stats, keys } = source();
    const got: unknown[] = [];
    const ask = () => keys.fetch((k) => got.push(k));
    ask();
    clusters.last.answer(200, '{"keys":[]}');
    ask();
    clusters.last.answer(404, SET);
    ask();
    clusters.last.answer(200);
    ask();
    clusters.last.fail();
    clusters.refusing = true;
    ask();
    assert.deepEqual(got, [undefined, undefined, undefined, undefined, undefined]);
    assert.equal(stats.jwks_fetch_failed, 5);
    assert.equal(keys.keys, undefined);
  });

  test('a request that ends does not end the fetch for the others', () => {
    const { clusters, keys } = source();
    const got: string[] = [];
    const first = keys.fetch(() => got.push('first'));
    keys.fetch(() => got.push('second'));
    first.cancel();
    clusters.last.answer(200, SET);
    assert.deepEqual(got, ['second']);
    assert.equal(clusters.last.reset_, undefined);
  });
});

describe('keys that are fetched ahead', () => {
  test('again before they are old, and the last good ones stay', () => {
    const { clusters, timers, keys } = source();
    let ready = 0;
    keys.fetchInBackground(1000, () => ready++);
    assert.equal(ready, 0);
    clusters.last.answer(200, SET);
    assert.equal(ready, 1);
    const first = keys.keys;
    assert.ok(first);
    timers.advance(55_000);
    assert.equal(clusters.exchanges.length, 2);
    clusters.last.answer(500);
    assert.equal(keys.keys, first);
    timers.advance(1000);
    assert.equal(clusters.exchanges.length, 3);
    timers.advance(500_000);
    assert.equal(keys.keys, first);
  });

  test('the listener does not wait for a success', () => {
    const { clusters, keys } = source();
    let ready = 0;
    keys.fetchInBackground(1000, () => ready++);
    clusters.last.fail();
    assert.equal(ready, 1);
  });

  test('nothing goes on when the configuration is gone', () => {
    const { clusters, timers, keys } = source();
    keys.fetchInBackground(1000, () => {});
    clusters.last.answer(200, SET);
    keys.dispose();
    timers.advance(1_000_000);
    assert.equal(clusters.exchanges.length, 1);
    const late = source();
    late.keys.fetchInBackground(1000, () => {});
    late.keys.dispose();
    late.clusters.last.answer(200, SET);
    late.timers.advance(1_000_000);
    assert.equal(late.clusters.exchanges.length, 1);
  });
});
