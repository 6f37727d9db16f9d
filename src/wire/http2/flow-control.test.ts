import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  data,
  END,
  FrameLog,
  GET,
  HELLO,
  headers,
  POST,
  rst,
  SETTINGS_ACK,
  settings,
  windowUpdate,
} from '../../../test/support/http2-frames.ts';
import { ServerRecorder, type StreamRecorder } from '../../../test/support/stream-recorder.ts';
import { Headers } from '../headers.ts';
import { ResetReason } from '../http.ts';
import { Flag } from './constants.ts';
import { DEFAULT_OPTIONS, type Http2Options } from './options.ts';
import { Http2ServerCodec } from './server.ts';

class Server {
  readonly log = new FrameLog();
  readonly owner = new ServerRecorder();
  readonly codec: Http2ServerCodec;
  #nextId = 1;

  constructor(options: Partial<Http2Options> = {}) {
    this.codec = new Http2ServerCodec(this.log, this.owner, { ...DEFAULT_OPTIONS, ...options });
    this.receive(HELLO, SETTINGS_ACK);
    this.log.take();
  }

  receive(...parts: Uint8Array[]): void {
    const bytes = Buffer.concat(parts);
    this.codec.receive(bytes, 0, bytes.length);
  }

  /** Opens a stream; with a response begun if it was a GET. */
  open(method: 'GET' | 'POST'): StreamRecorder {
    if (method === 'GET') this.receive(headers(this.#nextId, END, ...GET));
    else this.receive(headers(this.#nextId, Flag.EndHeaders, ...POST));
    this.#nextId += 2;
    const recorder = this.owner.streams.at(-1)!;
    if (method === 'GET') recorder.stream.sendHeaders(Headers.response(200), false);
    this.log.take();
    this.owner.take();
    return recorder;
  }
}

const bytes = (length: number) => Buffer.alloc(length, 0x61);

describe('what we send', () => {
  test('a stream stops at its window and goes on when it grows', () => {
    const server = new Server();
    server.receive(settings([4, 10]));
    const { stream } = server.open('GET');
    stream.sendData(bytes(25), false);
    assert.deepEqual(server.log.take(), ['DATA 1 10']);
    assert.equal(stream.bufferedBytes, 15);
    server.receive(windowUpdate(1, 4));
    assert.deepEqual(server.log.take(), ['DATA 1 4']);
    stream.sendData(bytes(5), true);
    assert.equal(stream.bufferedBytes, 16);
    server.receive(windowUpdate(1, 100));
    assert.deepEqual(server.log.take(), ['DATA 1 11', 'DATA 1 5 end']);
    assert.equal(stream.bufferedBytes, 0);
    assert.equal(server.codec.activeStreams, 0);
  });

  test('the initial window grows, shrinks below nothing, and grows again', () => {
    const server = new Server();
    server.receive(settings([4, 10]));
    const { stream } = server.open('GET');
    stream.sendData(bytes(30), true);
    assert.deepEqual(server.log.take(), ['DATA 1 10']);
    server.receive(settings([4, 12]));
    assert.deepEqual(server.log.take(), ['SETTINGS ack', 'DATA 1 2']);
    server.receive(settings([4, 4]), windowUpdate(1, 8));
    assert.deepEqual(server.log.take(), ['SETTINGS ack']);
    server.receive(windowUpdate(1, 1));
    assert.deepEqual(server.log.take(), ['DATA 1 1']);
    server.receive(settings([4, 100]));
    assert.deepEqual(server.log.take(), ['SETTINGS ack', 'DATA 1 17 end']);
  });

  test('a window that settings drive above 2^31-1', () => {
    const server = new Server();
    server.open('GET');
    server.receive(windowUpdate(1, 0x7fffffff - 65535), settings([4, 65536]));
    assert.equal(server.log.take().at(-1), 'GOAWAY 1 FlowControlError');
  });

  test('streams that wait for the connection take turns', () => {
    const server = new Server();
    server.receive(settings([4, 1_000_000]));
    const streams = [server.open('GET'), server.open('GET'), server.open('GET')].map((recorder) => recorder.stream);
    streams[0].sendData(bytes(65535 + 150_000), true);
    streams[1].sendData(bytes(10), true);
    streams[2].sendData(bytes(100_000), true);
    assert.deepEqual(
      server.log.take().map((line) => line.slice(0, 6)),
      ['DATA 1', 'DATA 1', 'DATA 1', 'DATA 1'],
    );
    server.receive(windowUpdate(0, 1_000_000));
    const order = server.log.take().map((line) => line.split(' ')[1]);
    assert.equal(order.join('').replaceAll(/(.)\1+/g, '$1'), '135151');
    assert.equal(server.codec.activeStreams, 0);
  });

  test('an empty end needs no window; trailers wait behind data', () => {
    const server = new Server();
    server.receive(settings([4, 5]));
    const first = server.open('GET').stream;
    const second = server.open('GET').stream;
    first.sendData(bytes(5), false);
    first.sendData(bytes(0), true);
    assert.deepEqual(server.log.take(), ['DATA 1 5', 'DATA 1 0 end']);
    second.sendData(bytes(6), false);
    second.sendTrailers(Headers.response(0, 'x-a', '1'));
    assert.deepEqual(server.log.take(), ['DATA 3 5']);
    server.receive(windowUpdate(3, 1));
    assert.deepEqual(server.log.take(), ['DATA 3 1', 'HEADERS 3 x-a=1 end']);
  });

  test('an empty end behind data that waits', () => {
    const server = new Server();
    server.receive(settings([4, 5]));
    const { stream } = server.open('GET');
    stream.sendData(bytes(6), false);
    stream.sendData(bytes(0), true);
    server.receive(windowUpdate(1, 1));
    assert.deepEqual(server.log.take(), ['DATA 1 5', 'DATA 1 1 end']);
  });

  test('the handler is told to stop and to go on', () => {
    const server = new Server({ streamBufferLimit: 100 });
    server.receive(settings([4, 10]));
    const recorder = server.open('GET');
    recorder.stream.sendData(bytes(110), false);
    assert.deepEqual(server.owner.take(), []);
    recorder.stream.sendData(bytes(1), false);
    assert.deepEqual(server.owner.take(), ['1 stop']);
    server.receive(windowUpdate(1, 50));
    assert.deepEqual(server.owner.take(), []);
    server.receive(windowUpdate(1, 1));
    assert.deepEqual(server.owner.take(), ['1 go on']);
    recorder.stream.sendData(bytes(60), false);
    assert.deepEqual(server.owner.take(), ['1 stop']);
    server.receive(windowUpdate(1, 1000));
    assert.deepEqual(server.owner.take(), ['1 go on']);
  });

  test('an Output that piles up stops the handlers, and data waits in its stream', () => {
    const server = new Server();
    const first = server.open('GET');
    const second = server.open('GET');
    server.codec.outputBackpressure(true);
    assert.deepEqual(server.owner.take(), ['1 stop', '2 stop']);
    first.stream.sendData(bytes(10), false);
    second.stream.sendData(bytes(20), true);
    assert.deepEqual(server.log.take(), []);
    const third = server.open('GET');
    server.codec.outputBackpressure(false);
    assert.deepEqual(server.log.take(), ['DATA 1 10', 'DATA 3 20 end']);
    assert.deepEqual(server.owner.take(), ['1 go on', '3 go on']);
    third.stream.sendData(bytes(1), true);
  });

  test('hundreds of pieces wait in their order', () => {
    const server = new Server();
    server.receive(settings([4, 1]));
    const { stream } = server.open('GET');
    for (let i = 0; i < 200; i++) stream.sendData(Buffer.from([i]), i === 199);
    server.log.take();
    server.receive(windowUpdate(1, 100), windowUpdate(1, 98));
    assert.equal(server.log.take().length, 198);
    assert.equal(stream.bufferedBytes, 1);
    server.receive(windowUpdate(1, 1));
    assert.deepEqual(server.log.take(), ['DATA 1 1 end']);
  });

  test('a stream that begins while the Output piles up is told so', () => {
    const server = new Server();
    server.codec.outputBackpressure(true);
    server.receive(headers(1, END, ...GET));
    server.owner.streams[0].stream.sendHeaders(Headers.response(200), false);
    assert.equal(server.owner.take().at(-1), '1 stop');
  });

  test('a complete response outlives its reset, an incomplete one does not', () => {
    const server = new Server();
    server.receive(settings([4, 5]));
    const complete = server.open('POST').stream;
    complete.sendHeaders(Headers.response(200), false);
    complete.sendData(bytes(8), true);
    complete.reset(ResetReason.LocalReset);
    const incomplete = server.open('POST').stream;
    incomplete.sendHeaders(Headers.response(200), false);
    incomplete.sendData(bytes(8), false);
    server.log.take();
    incomplete.reset(ResetReason.LocalReset);
    assert.deepEqual(server.log.take(), ['RST_STREAM 3 InternalError']);
    server.receive(windowUpdate(1, 100), windowUpdate(3, 100));
    assert.deepEqual(server.log.take(), ['DATA 1 3 end', 'RST_STREAM 1 NoError']);
    assert.equal(server.codec.activeStreams, 0);
  });

  test('a stream that is reset while it waits leaves the queue', () => {
    const server = new Server();
    server.receive(settings([4, 1_000_000]));
    const first = server.open('GET').stream;
    const second = server.open('GET').stream;
    first.sendData(bytes(70_000), true);
    second.sendData(bytes(70_000), true);
    server.receive(rst(1, 8));
    server.log.take();
    server.receive(windowUpdate(0, 1_000_000));
    assert.ok(server.log.take().every((line) => line.startsWith('DATA 3 ')));
  });
});

describe('what we read', () => {
  const small = { initialStreamWindowSize: 65535, initialConnectionWindowSize: 100_000 };

  test('windows are given back in halves', () => {
    const server = new Server(small);
    server.open('POST');
    server.receive(data(1, 0, bytes(16384)), data(1, 0, bytes(16382)));
    assert.deepEqual(server.log.take(), []);
    server.receive(data(1, 0, bytes(1)));
    assert.deepEqual(server.log.take(), ['WINDOW_UPDATE 1 32767']);
    for (let i = 0; i < 2; i++) server.receive(data(1, 0, bytes(8616)));
    server.receive(data(1, 0, bytes(1)));
    assert.deepEqual(server.log.take(), ['WINDOW_UPDATE 0 50000']);
  });

  test('padding counts', () => {
    const server = new Server(small);
    server.open('POST');
    const padded = data(1, Flag.Padded, Buffer.concat([Buffer.from([255]), bytes(1), Buffer.alloc(255)]));
    for (let i = 0; i < 128; i++) server.receive(padded);
    // Padding is done with first: the last octet of data comes behind the update.
    assert.deepEqual(server.log.take(), [`WINDOW_UPDATE 1 ${128 * 257 - 1}`]);
  });

  test('who does not read gives nothing back, and hears all of it later', () => {
    const server = new Server(small);
    const recorder = server.open('POST');
    recorder.stream.pauseReading(true);
    recorder.stream.pauseReading(true);
    for (let i = 0; i < 3; i++) server.receive(data(1, 0, bytes(16384)));
    server.receive(headers(1, END, 'x-sum', '1'));
    assert.deepEqual([server.log.take(), server.owner.take()], [[], []]);
    recorder.stream.pauseReading(false);
    assert.deepEqual(server.owner.take(), []);
    recorder.stream.pauseReading(false);
    assert.equal(recorder.body.length, 3 * 16384);
    assert.equal(server.owner.take().at(-1), '1 trailers x-sum=1');
  });

  test('the window opens when reading goes on', () => {
    const server = new Server(small);
    const recorder = server.open('POST');
    recorder.whenData = () => recorder.stream.pauseReading(true);
    server.receive(data(1, 0, bytes(16384)), data(1, 0, bytes(16384)), data(1, 0, bytes(16384)));
    assert.equal(recorder.body.length, 16384);
    recorder.stream.pauseReading(false);
    assert.equal(recorder.body.length, 2 * 16384);
    assert.deepEqual(server.log.take(), []);
    recorder.whenData = undefined;
    recorder.stream.pauseReading(false);
    assert.equal(recorder.body.length, 3 * 16384);
    assert.deepEqual(server.log.take(), ['WINDOW_UPDATE 1 49152']);
  });

  test('a peer that oversteps the window of a stream, or of the connection', () => {
    const server = new Server(small);
    server.open('POST').stream.pauseReading(true);
    for (let i = 0; i < 3; i++) server.receive(data(1, 0, bytes(16384)));
    server.receive(data(1, 0, bytes(16383)));
    assert.deepEqual(server.log.take(), []);
    server.receive(data(1, 0, bytes(1)));
    assert.deepEqual(server.log.take(), ['RST_STREAM 1 FlowControlError', 'WINDOW_UPDATE 0 65535']);
    const other = new Server(small);
    for (const id of [1, 3]) {
      other.open('POST').stream.pauseReading(true);
      for (let i = 0; i < 3; i++) other.receive(data(id, 0, bytes(16384)));
    }
    assert.deepEqual(other.log.take(), []);
    other.receive(data(3, 0, bytes(100_000 - 6 * 16384 + 1)));
    assert.equal(other.log.take().at(-1), 'GOAWAY 3 FlowControlError');
  });

  test('data that nobody wants still gives the connection its window back', () => {
    const server = new Server(small);
    const { stream } = server.open('POST');
    stream.pauseReading(true);
    server.receive(data(1, 0, bytes(16384)), data(1, 0, bytes(16384)));
    stream.reset(ResetReason.LocalReset);
    server.receive(data(1, 0, bytes(16384)));
    server.receive(data(1, 0, bytes(1000)));
    assert.deepEqual(server.log.take(), ['RST_STREAM 1 InternalError', 'WINDOW_UPDATE 0 50152']);
  });

  test('a handler that gives up while data comes', () => {
    const server = new Server(small);
    const recorder = server.open('POST');
    recorder.whenData = () => recorder.stream.reset(ResetReason.LocalReset);
    const frame = data(1, 0, bytes(16000));
    server.receive(frame.subarray(0, 5000));
    server.receive(frame.subarray(5000));
    server.receive(frame, frame, frame);
    assert.equal(server.owner.take().length, 1);
    const [first, second] = server.log.take();
    assert.equal(first, 'RST_STREAM 1 InternalError');
    assert.match(second, /^WINDOW_UPDATE 0 /);
  });

  test('no window for a stream whose end has come', () => {
    const server = new Server(small);
    server.open('POST');
    server.receive(data(1, 0, bytes(16384)), data(1, 0, bytes(16000)), data(1, Flag.EndStream, bytes(16384)));
    assert.deepEqual(server.log.take(), []);
  });
});
