import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { DataStatus } from '../../http/filter.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { type DecompressorConfig, DecompressorFilter, DecompressorStats, type Direction } from './filter.ts';

class Callbacks extends StubCallbacks {
  readonly events = new EventEmitter();
  readonly out: Uint8Array[] = [];

  override injectRequestData(chunk: Uint8Array, end: boolean): void {
    this.out.push(chunk);
    if (end) this.events.emit('over');
  }

  override sendLocalReply(reply: Parameters<StubCallbacks['sendLocalReply']>[0]): void {
    super.sendLocalReply(reply);
    this.events.emit('over');
  }
}

function start(maxRatio = 100) {
  const direction = (): Direction => ({ enabled: true, ignoreNoTransform: false, stats: new DecompressorStats() });
  const config: DecompressorConfig = {
    library: { coding: 'gzip', statName: '', maxRatio, create: () => zlib.createGunzip() },
    request: direction(),
    response: direction(),
    advertise: true,
    flushQueue: new FlushQueue(),
  };
  const callbacks = new Callbacks();
  const filter = new DecompressorFilter(config, callbacks);
  const headers = Headers.request('POST', '/', 'a', 'content-encoding', 'gzip', 'content-length', '9');
  filter.requestHeaders(headers, false);
  return { callbacks, filter, headers, stats: config.request.stats };
}

test('a request is sent on as it was before', async () => {
  const { callbacks, filter, headers, stats } = start();
  assert.deepEqual(
    ['content-encoding', 'content-length', 'accept-encoding'].map((name) => headers.get(name)),
    [undefined, undefined, 'gzip'],
  );
  const body = zlib.gzipSync('one and two');
  const over = once(callbacks.events, 'over');
  assert.equal(filter.requestData(body.subarray(0, 12), false), DataStatus.StopNoBuffer);
  filter.requestData(body.subarray(12), true);
  await over;
  assert.equal(Buffer.concat(callbacks.out).toString(), 'one and two');
  assert.deepEqual(
    [stats.decompressed, stats.total_compressed_bytes, stats.total_uncompressed_bytes],
    [1, body.length, 11],
  );
});

for (const [name, body, ratio] of [
  ['no gzip', Buffer.from('not gzip at all'), 100],
  ['cut off', zlib.gzipSync('one and two').subarray(0, 20), 100],
  ['more than it should be', zlib.gzipSync(Buffer.alloc(100_000)), 10],
] as const) {
  test(`refused: ${name}`, async () => {
    const { callbacks, filter } = start(ratio);
    const over = once(callbacks.events, 'over');
    filter.requestData(body, true);
    await over;
    assert.equal(callbacks.replies[0].status, 400);
    assert.ok(Buffer.concat(callbacks.out).length < 10_000);
  });
}

test('what is not compressed, and what must not change, passes', () => {
  for (const list of [[], ['content-encoding', 'br'], ['content-encoding', 'gzip', 'cache-control', 'no-transform']]) {
    const { filter, callbacks } = start();
    const response = Headers.response(200, ...list);
    filter.responseHeaders(response, false);
    assert.equal(filter.responseData(Buffer.from('x'), true), DataStatus.Continue);
    assert.deepEqual(callbacks.calls, []);
  }
});
