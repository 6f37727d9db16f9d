import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newHost } from '../../../test/support/hosts.ts';
import { ManualTimers } from '../../../test/support/manual-timers.ts';
import { type ScriptedConnection, scriptedConnection } from '../../../test/support/stub-connection.ts';
import { Headers } from '../../wire/headers.ts';
import type { OutgoingStream } from '../../wire/http.ts';
import { DEFAULT_OPTIONS as HTTP1 } from '../../wire/http1/head.ts';
import { DEFAULT_OPTIONS as HTTP2 } from '../../wire/http2/options.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { ClusterStats } from './cluster-stats.ts';
import type { ConnectHandler } from './connect-handler.ts';
import { HttpPool } from './http-pool.ts';
import { DEFAULT_THRESHOLDS, ResourceManager } from './resources.ts';

/** A pool whose connections are made when the test says so. */
function newPool() {
  const timers = Object.assign(new ManualTimers(), { newEvent() {} });
  const flushQueue = new FlushQueue();
  const attempts: { readonly handler: ConnectHandler; cancelled: boolean }[] = [];
  const events: string[] = [];
  const host = newHost(1);
  const stats = new ClusterStats();
  const resources = new ResourceManager(DEFAULT_THRESHOLDS, { get: () => undefined }, '');
  const pool = new HttpPool({
    net: { flushQueue, timers },
    host,
    stats,
    resources,
    random: () => 0.5,
    codecStats: () => undefined,
    protocol: 'http1',
    generation: 0,
    options: {
      http1: HTTP1,
      http2: HTTP2,
      idleTimeoutMs: 0,
      maxConnectionDurationMs: 0,
      maxRequestsPerConnection: 0,
      http2Keepalive: undefined,
      preconnectRatio: 1,
    },
    connect: (handler) => {
      const attempt = { handler, cancelled: false };
      attempts.push(attempt);
      return {
        cancel: () => {
          attempt.cancelled = true;
        },
      };
    },
    onGone: () => events.push('gone'),
  });
  const request = (path: string) => {
    const handler = {
      onReady: (stream: OutgoingStream) => {
        events.push(`${path} sent`);
        stream.sendHeaders(Headers.request('GET', path, 'host'), true);
      },
      onFailure: (reason: string) => events.push(`${path} failed: ${reason}`),
      onHeaders: ({ status }: Headers) => events.push(`${path} ${status}`),
      onData() {},
      onTrailers() {},
      onReset: () => events.push(`${path} reset`),
      onError() {},
      onWriteBackpressure() {},
    };
    return flushRun(() => pool.open(handler));
  };
  const flushRun = <T>(work: () => T): T => {
    flushQueue.enter();
    try {
      return work();
    } finally {
      flushQueue.leave();
    }
  };
  return {
    pool,
    attempts,
    events,
    stats,
    request,
    drain: () => flushRun(() => pool.drain()),
    connected: (index: number): ScriptedConnection => {
      const connection = scriptedConnection({ writeLatin1() {} });
      flushRun(() => attempts[index]!.handler.onConnected(connection));
      return connection;
    },
    answers: (connection: ScriptedConnection) =>
      flushRun(() => connection.receive('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')),
  };
}

test('requests that wait when a pool is drained are sent all the same, and then it is gone', () => {
  const { attempts, events, request, drain, connected, answers, stats } = newPool();
  request('/a');
  request('/b');
  drain();
  const [first, second] = [connected(0), connected(1)];
  assert.deepEqual(events, ['/a sent', '/b sent']);
  answers(first);
  assert.equal(first.closed, true, 'nothing else is sent over it');
  answers(second);
  assert.deepEqual(events.slice(2), ['/a 200', '/b 200', 'gone']);
  assert.equal(attempts.length, 2);
  assert.deepEqual([stats.upstream_rq_pending_active, stats.upstream_cx_active], [0, 0]);
});

test('a drained pool that nobody waits for gives up the connections that are being made', () => {
  const { attempts, events, request, drain, stats } = newPool();
  const waiting = request('/a');
  waiting!.cancel();
  drain();
  assert.deepEqual([attempts.map(({ cancelled }) => cancelled), events], [[true], ['gone']]);
  assert.deepEqual([stats.upstream_cx_active, stats.upstream_cx_destroy_local], [0, 1]);
});

test('a connection that answers while a pool is drained takes no request that waits for another', () => {
  const { events, request, drain, connected, answers } = newPool();
  request('/a');
  const first = connected(0);
  request('/b');
  drain();
  answers(first);
  assert.equal(first.closed, true);
  connected(1);
  assert.deepEqual(events, ['/a sent', '/a 200', '/b sent']);
});

test('the last request that waits in a drained pool may be given up', () => {
  const { attempts, events, request, drain } = newPool();
  const waiting = request('/a');
  drain();
  waiting!.cancel();
  assert.deepEqual([attempts.map(({ cancelled }) => cancelled), events], [[true], ['gone']]);
});
