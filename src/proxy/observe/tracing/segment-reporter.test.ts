import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import type { GrpcCall, GrpcCallHandler, GrpcTransport } from '../../../wire/grpc/transport.ts';
import { SegmentReporter, SkyWalkingStats } from './segment-reporter.ts';

class Server implements GrpcTransport {
  readonly sent: string[] = [];
  readonly calls: GrpcCallHandler[] = [];
  down = false;
  bufferedBytes = 0;

  call(_path: string, _metadata: readonly (readonly [string, string])[], handler: GrpcCallHandler): GrpcCall {
    this.calls.push(handler);
    if (this.down) handler.onEnd({ code: 14, message: '' }, undefined);
    return {
      send: (message) => this.sent.push(Buffer.from(message).toString()),
      end: () => this.sent.push('end'),
      cancel() {},
      bufferedBytes: this.bufferedBytes,
    };
  }
}

function reporter(server: Server) {
  const timers = new ManualTimers();
  const stats = new SkyWalkingStats();
  const made = new SegmentReporter({ transport: server, metadata: [], maxCached: 2, timers, stats });
  return { made, timers, stats, report: (text: string) => made.report(Buffer.from(text)) };
}

test('segments leave over one stream, and wait while there is none', () => {
  const server = new Server();
  const { made, timers, stats, report } = reporter(server);
  report('a');
  server.down = true;
  server.calls[0].onEnd({ code: 14, message: '' }, undefined);
  for (const text of ['b', 'c', 'd']) report(text);
  timers.advance(5000);
  assert.equal(server.calls.length, 2);
  server.down = false;
  timers.advance(5000);
  assert.deepEqual(server.sent, ['a', 'b', 'c']);
  const { segments_sent, segments_dropped, segments_flushed, cache_flushed } = stats;
  assert.deepEqual([segments_sent, segments_dropped, segments_flushed, cache_flushed], [3, 1, 2, 1]);
  made.close();
  assert.equal(server.sent.at(-1), 'end');
});

test('a server that does not read costs segments', () => {
  const server = new Server();
  server.bufferedBytes = 2 * 1024 * 1024;
  const { made, stats, report } = reporter(server);
  report('a');
  assert.deepEqual([server.sent, stats.segments_dropped], [[], 1]);
  made.close();
});
