import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameLog } from '../../../test/support/http2-frames.ts';
import { DEFAULT_WINDOW } from './constants.ts';
import { FrameWriter } from './frame-writer.ts';
import { InboundFlow } from './inbound-flow.ts';
import { DEFAULT_OPTIONS } from './options.ts';
import { DEAF, Http2Stream } from './stream.ts';

function flow(connection: number, stream = 65_535) {
  const log = new FrameLog();
  const options = {
    ...DEFAULT_OPTIONS,
    initialConnectionWindowSize: connection,
    initialStreamWindowSize: stream,
  };
  return { log, inbound: new InboundFlow(new FrameWriter(log), options) };
}

test('the window of the connection is opened beyond the default, if it is larger', () => {
  const cases: [number, string[]][] = [
    [DEFAULT_WINDOW, []],
    [1, []],
    [DEFAULT_WINDOW + 5, ['WINDOW_UPDATE 0 5']],
  ];
  for (const [size, wanted] of cases) assert.deepEqual(flow(size).log.take(), wanted);
});

test('the peer may send what the window has, to the last octet', () => {
  const { inbound } = flow(100_000);
  assert.equal(inbound.take(99_999), true);
  assert.equal(inbound.take(1), true);
  assert.equal(inbound.take(1), false);
});

test('octets go back once half of the window is done with, and may be sent again', () => {
  const { log, inbound } = flow(100_000);
  log.take();
  inbound.take(100_000);
  inbound.credit(49_999);
  assert.deepEqual(log.take(), []);
  inbound.credit(1);
  assert.deepEqual(log.take(), ['WINDOW_UPDATE 0 50000']);
  assert.equal(inbound.take(50_000), true);
  assert.equal(inbound.take(1), false);
});

test('a stream has a window of its own', () => {
  const { log, inbound } = flow(DEFAULT_WINDOW, 1000);
  const stream = new Http2Stream({} as never, DEAF, 3, 0, 1000);
  stream.receiveWindow = 0;
  stream.consumed = 499;
  inbound.creditStream(stream);
  assert.deepEqual([log.take(), stream.receiveWindow], [[], 0]);
  stream.consumed++;
  inbound.creditStream(stream);
  assert.deepEqual([log.take(), stream.receiveWindow, stream.consumed], [['WINDOW_UPDATE 3 500'], 500, 0]);
});
