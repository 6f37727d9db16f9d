import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameLog } from '../../../test/support/http2-frames.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import { ConnectionFrames } from './connection-frames.ts';
import { ErrorCode, Flag, Setting } from './constants.ts';
import { Constraints } from './constraints.ts';
import { FrameWriter } from './frame-writer.ts';
import { DEFAULT_OPTIONS } from './options.ts';
import { OutboundFlow } from './outbound-flow.ts';
import { PeerSettings } from './settings.ts';
import { DEAF, Http2Stream } from './stream.ts';

function setUp() {
  const log = new FrameLog();
  const events: string[] = [];
  const writer = new FrameWriter(log);
  const peer = new PeerSettings(false);
  const streams = new Map([[1, new Http2Stream({} as never, DEAF, 1, 65_535, 65_535)]]);
  const frames = new ConnectionFrames(
    {
      options: DEFAULT_OPTIONS,
      writer,
      constraints: new Constraints(DEFAULT_OPTIONS),
      peer,
      decoder: new HpackDecoder(4096),
      encoder: new HpackEncoder(4096),
      flow: new OutboundFlow(writer),
      streams,
    },
    {
      settingsChanged: () => void events.push('changed'),
      goAwayReceived: (last, code) => void events.push(`goaway ${last} ${code}`),
    },
  );
  return { log, events, writer, peer, streams, frames };
}

/** Bytes that stand in the middle of a buffer, as frames do. */
const framed = (...payload: number[]) => Buffer.from([9, 9, ...payload, 9]);
const pair = (id: number, value: number) => [
  0,
  id,
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

describe('SETTINGS', () => {
  const take = (frames: ConnectionFrames, payload: number[], flags = 0, id = 0) =>
    frames.settings(flags, id, framed(...payload), 2, 2 + payload.length);

  test('are taken over and acknowledged', () => {
    const { log, events, writer, peer, streams, frames } = setUp();
    const more = [...pair(Setting.MaxFrameSize, 20_000), ...pair(Setting.InitialWindowSize, 65_536)];
    assert.equal(frames.settingsSeen, false);
    assert.equal(take(frames, more), undefined);
    assert.equal(frames.settingsSeen, true);
    assert.deepEqual([log.take(), events], [['SETTINGS ack'], ['changed']]);
    assert.deepEqual(
      [writer.maxFrameSize, peer.initialWindowSize, streams.get(1)?.sendWindow],
      [20_000, 65_536, 65_536],
    );
  });

  test('what ends the connection', () => {
    const cases: [number[], number, number, ErrorCode, string][] = [
      [[], 0, 1, ErrorCode.ProtocolError, 'http2.settings_on_stream'],
      [[1], Flag.Ack, 0, ErrorCode.FrameSizeError, 'http2.settings_size'],
      [[1, 2, 3, 4, 5], 0, 0, ErrorCode.FrameSizeError, 'http2.settings_size'],
      [pair(Setting.EnablePush, 2), 0, 0, ErrorCode.ProtocolError, 'http2.invalid_setting'],
      [pair(Setting.InitialWindowSize, 2 ** 31), 0, 0, ErrorCode.FlowControlError, 'http2.invalid_setting'],
    ];
    for (const [payload, flags, id, code, details] of cases) {
      const { log, frames } = setUp();
      assert.deepEqual(take(frames, payload, flags, id), { code, details });
      assert.deepEqual(log.take(), []);
    }
  });

  test('a window that would grow too far', () => {
    const { streams, frames } = setUp();
    streams.get(1)!.sendWindow = 2 ** 31 - 1;
    const wrong = take(frames, pair(Setting.InitialWindowSize, 65_536));
    assert.deepEqual(wrong, { code: ErrorCode.FlowControlError, details: 'http2.window_overflow' });
  });

  test('too many of them', () => {
    const { frames } = setUp();
    const { maxInboundPriorityFramesPerStream: limit } = DEFAULT_OPTIONS;
    for (let i = 0; i < limit; i++) assert.equal(take(frames, []), undefined);
    assert.equal(take(frames, [])?.details, 'http2.inbound_settings_frames_flood');
  });

  test('an acknowledgement is not acknowledged', () => {
    const { log, events, frames } = setUp();
    assert.equal(take(frames, [], Flag.Ack), undefined);
    assert.deepEqual([log.take(), events, frames.settingsSeen], [[], [], false]);
  });
});

describe('PING', () => {
  const eight = [1, 2, 3, 4, 5, 6, 7, 8];

  test('is answered with what it says', () => {
    const { log, frames } = setUp();
    assert.equal(frames.ping(0, 0, framed(...eight), 2, 8), undefined);
    assert.deepEqual(log.takeBytes().subarray(9), Buffer.from(eight));
  });

  test('answers to our own are told once, in order', () => {
    const { log, frames } = setUp();
    const seen: number[] = [];
    frames.sendPing(() => seen.push(1));
    frames.sendPing(() => seen.push(2));
    const sent = log.takeBytes();
    const answer = (at: number) => frames.ping(Flag.Ack, 0, sent, at, 8);
    // The second before the first, which nobody who keeps the order sends.
    answer(9 + 8 + 9);
    assert.deepEqual(seen, []);
    answer(9);
    answer(9);
    assert.deepEqual(seen, [1]);
    answer(9 + 8 + 9);
    assert.deepEqual(seen, [1, 2]);
  });

  test('answers that come after the connection are not told', () => {
    const { log, frames } = setUp();
    frames.sendPing(() => assert.fail('told'));
    const sent = log.takeBytes();
    frames.forgetPings();
    assert.equal(frames.ping(Flag.Ack, 0, sent, 9, 8), undefined);
  });

  test('what ends the connection', () => {
    const { frames } = setUp();
    assert.equal(frames.ping(0, 0, framed(1), 2, 1)?.code, ErrorCode.FrameSizeError);
    assert.equal(frames.ping(0, 1, framed(...eight), 2, 8)?.code, ErrorCode.ProtocolError);
  });
});

test('GOAWAY', () => {
  const { events, frames } = setUp();
  const payload = framed(0x80, 0, 0, 5, 0, 0, 0, 11, 100, 101);
  assert.equal(frames.goAway(0, payload, 2, 10), undefined);
  assert.deepEqual(events, ['goaway 5 11']);
  assert.equal(frames.goAway(1, payload, 2, 10)?.details, 'http2.goaway_on_stream');
  assert.equal(frames.goAway(0, payload, 2, 7)?.code, ErrorCode.FrameSizeError);
});
