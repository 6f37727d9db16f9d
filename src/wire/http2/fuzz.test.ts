import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  block,
  END,
  FrameLog,
  frame,
  GET,
  HELLO,
  headers,
  POST,
  settings,
  uint32,
} from '../../../test/support/http2-frames.ts';
import { ClientRecorder, ServerRecorder, StreamRecorder } from '../../../test/support/stream-recorder.ts';
import { Headers } from '../headers.ts';
import { type Codec, ResetReason } from '../http.ts';
import { Http2ClientCodec } from './client.ts';
import { DEFAULT_OPTIONS } from './options.ts';
import { Http2ServerCodec } from './server.ts';

type Random = (n: number) => number;

function generator(seed: number): Random {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

const OPTIONS = { ...DEFAULT_OPTIONS, maxConcurrentStreams: 5, initialStreamWindowSize: 65535, streamBufferLimit: 50 };

/** A frame that is mostly right, sometimes a little and sometimes entirely wrong. */
function randomFrame(random: Random, responses: boolean): Buffer {
  const id = random(12);
  switch (random(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (responses) return headers(id, random(2) ? 4 : END, ':status', ['200', '103', '404', '1'][random(4)]);
      return headers(1 + 2 * random(60), random(2) ? 4 : END, ...(random(2) ? GET : POST), 'x-a', String(random(9)));
    case 4:
    case 5:
    case 6:
      return frame(0, random(4) ? 0 : random(16), id, Buffer.alloc(random(300), random(256)));
    case 7:
      return frame(3, 0, id, uint32(random(15)));
    case 8:
      return frame(8, 0, id, uint32(random(3) ? random(500) : random(2 ** 31)));
    case 9:
      return settings([1 + random(9), random(2) ? random(70000) : random(2 ** 32)]);
    case 10:
      return frame(1, random(256), id, Buffer.concat([block('x', 'y'), Buffer.alloc(random(6), random(256))]));
    case 11:
      return frame(9, random(256), id, block('x', 'y'));
    case 12:
      return frame(6 + random(2), random(2), 0, Buffer.alloc(8, random(256)));
    default:
      return frame(random(14), random(256), random(2) ? 0 : id, Buffer.alloc(random(20), random(256)));
  }
}

/** Feeds frames in random pieces, with a byte turned over now and then, while the application does what it likes. */
function run(codec: Codec, random: Random, hello: Buffer, responses: boolean, act: () => void): void {
  const parts = [hello];
  for (let i = random(40); i >= 0; i--) parts.push(randomFrame(random, responses));
  const bytes = Buffer.concat(parts);
  if (random(3) === 0) bytes[random(bytes.length)] ^= 1 << random(8);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random(random(2) ? 5 : 400));
    codec.receive(bytes, at, end);
    at = end;
    if (random(3) === 0) act();
    if (random(20) === 0) codec.outputBackpressure(random(2) === 0);
  }
}

function actOn(streams: StreamRecorder[], random: Random): void {
  const recorder = streams[random(streams.length)];
  if (recorder === undefined) return;
  const { stream } = recorder;
  const choice = random(8);
  if (choice === 0) stream.sendHeaders(Headers.response(200, 'x', String(random(5))), random(3) === 0);
  else if (choice < 3) stream.sendData(Buffer.alloc(random(200)), random(4) === 0);
  else if (choice === 3) stream.sendTrailers(Headers.response(0, 'x', 'y'));
  else if (choice === 4) stream.reset(ResetReason.LocalReset);
  else stream.pauseReading(choice === 5);
}

/** Nothing follows an end or a reset, and the connection error is the last word. */
function checkEvents(events: string[]): void {
  const over = new Set<string>();
  let failed = false;
  for (const event of events) {
    assert.equal(failed, false, events.join('\n'));
    const [name, verb] = event.split(' ');
    if (event.startsWith('connection error')) failed = true;
    if (!/^\d+$/.test(name)) continue;
    assert.ok(!over.has(name), events.join('\n'));
    if (verb === 'reset') over.add(name);
  }
}

/** Everything that was written is whole frames that the other side can decode. */
function checkFrames(log: FrameLog): void {
  assert.doesNotThrow(() => log.take());
}

test('a server and whatever comes', () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const random = generator(seed);
    const log = new FrameLog();
    const owner = new ServerRecorder();
    const options = { ...OPTIONS, streamErrorOnInvalidMessage: random(2) === 0 };
    const codec = new Http2ServerCodec(log, owner, options);
    run(codec, random, HELLO, false, () => actOn(owner.streams, random));
    assert.ok(codec.activeStreams <= OPTIONS.maxConcurrentStreams);
    checkFrames(log);
    checkEvents(owner.events);
    codec.connectionClosed(ResetReason.ConnectionTermination, '');
    assert.equal(codec.activeStreams, 0);
  }
});

test('a client and whatever comes', () => {
  for (let seed = 1; seed <= 1500; seed++) {
    const random = generator(seed);
    const log = new FrameLog(true);
    const owner = new ClientRecorder();
    const options = { ...OPTIONS, streamErrorOnInvalidMessage: random(2) === 0 };
    const codec = new Http2ClientCodec(log, owner, options);
    const streams: StreamRecorder[] = [];
    run(codec, random, settings(), true, () => {
      if (!codec.canOpen || random(2)) {
        actOn(streams, random);
        return;
      }
      const recorder = new StreamRecorder(owner.events, String(streams.length + 1));
      recorder.stream = codec.newStream(recorder);
      streams.push(recorder);
      if (random(4)) recorder.stream.sendHeaders(Headers.request(random(3) ? 'POST' : 'CONNECT', '/', 'a'), false);
    });
    checkFrames(log);
    checkEvents(owner.events);
    codec.connectionClosed(ResetReason.ConnectionTermination, '');
    assert.equal(codec.activeStreams, 0);
  }
});
