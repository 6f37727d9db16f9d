import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualTimers } from '../../../test/support/manual-timers.ts';
import { StreamTimers } from './stream-timers.ts';

const NONE = { streamIdleTimeoutMs: 0, requestTimeoutMs: 0, requestHeadersTimeoutMs: 0, maxStreamDurationMs: 0 };

function start(limits: Partial<typeof NONE>) {
  const timers = new ManualTimers();
  const seen: string[] = [];
  const stats = {
    downstream_rq_idle_timeout: 0,
    downstream_rq_timeout: 0,
    downstream_rq_header_timeout: 0,
    downstream_rq_max_duration_reached: 0,
  };
  const stream = {
    onIdleTimeout: () => seen.push(`idle at ${timers.now()}`),
    sendLocalReply: ({ status, details }: { status: number; details: string }) =>
      seen.push(`${status} ${details} at ${timers.now()}`),
  };
  const limit = new StreamTimers(stream as never, timers, { ...NONE, ...limits, stats });
  return { timers, seen, stats, limit };
}

describe('limits that answer by themselves', () => {
  const cases = [
    ['requestTimeoutMs', 'request_overall_timeout', 'downstream_rq_timeout'],
    ['requestHeadersTimeoutMs', 'request_header_timeout', 'downstream_rq_header_timeout'],
    ['maxStreamDurationMs', 'max_duration_timeout', 'downstream_rq_max_duration_reached'],
  ] as const;
  for (const [field, details, counter] of cases) {
    test(field, () => {
      const { timers, seen, stats } = start({ [field]: 100 });
      timers.advance(99);
      assert.deepEqual([seen, stats[counter]], [[], 0]);
      timers.advance(1);
      assert.deepEqual([seen, stats[counter]], [[`408 ${details} at 100`], 1]);
      timers.advance(1000);
      assert.equal(seen.length, 1);
    });
  }
});

test('what has come in time is not answered', () => {
  const { timers, seen, limit } = start({ requestTimeoutMs: 100, requestHeadersTimeoutMs: 50 });
  limit.headersCame();
  timers.advance(60);
  limit.requestEnded();
  timers.advance(1000);
  assert.deepEqual(seen, []);
});

test('no limit, no timer', () => {
  assert.equal(start({}).timers.waiting, 0);
});

test('a stream is idle when nothing has moved for the whole time', () => {
  const { timers, seen, stats, limit } = start({ streamIdleTimeoutMs: 100 });
  timers.advance(90);
  limit.touch();
  timers.advance(99);
  assert.deepEqual(seen, []);
  timers.advance(1);
  assert.deepEqual([seen, stats.downstream_rq_idle_timeout], [['idle at 190'], 1]);
});

test('a route sets another idle timeout, from then on', () => {
  const { timers, seen, limit } = start({ streamIdleTimeoutMs: 100 });
  timers.advance(80);
  limit.setIdleTimeout(50);
  timers.advance(49);
  assert.deepEqual(seen, []);
  timers.advance(1);
  assert.deepEqual(seen, ['idle at 130']);
  limit.setIdleTimeout(0);
  limit.touch();
  assert.equal(timers.waiting, 0);
});

test('a route sets another duration, from then on', () => {
  const { timers, seen, limit } = start({ maxStreamDurationMs: 100 });
  timers.advance(90);
  limit.setMaxDuration(30);
  timers.advance(29);
  assert.deepEqual(seen, []);
  timers.advance(1);
  assert.deepEqual(seen, ['408 max_duration_timeout at 120']);
});

test('nothing is left of a stream that is over', () => {
  const { timers, limit } = start({
    streamIdleTimeoutMs: 1,
    requestTimeoutMs: 1,
    requestHeadersTimeoutMs: 1,
    maxStreamDurationMs: 1,
  });
  assert.equal(timers.waiting, 4);
  limit.cancel();
  assert.equal(timers.waiting, 0);
});
