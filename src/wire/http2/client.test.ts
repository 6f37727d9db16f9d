import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  data,
  END,
  FrameLog,
  frame,
  goAway,
  headers,
  rst,
  SETTINGS_ACK,
  settings,
  uint32,
} from '../../../test/support/http2-frames.ts';
import { ClientRecorder, StreamRecorder } from '../../../test/support/stream-recorder.ts';
import { Headers } from '../headers.ts';
import { type OutgoingStream, ResetReason } from '../http.ts';
import { Http2ClientCodec } from './client.ts';
import { Flag, FrameType } from './constants.ts';
import { DEFAULT_OPTIONS, type Http2Options } from './options.ts';

class Client {
  readonly log = new FrameLog(true);
  readonly owner = new ClientRecorder();
  readonly codec: Http2ClientCodec;
  readonly recorders: StreamRecorder[] = [];

  constructor(options: Partial<Http2Options> = {}) {
    this.codec = new Http2ClientCodec(this.log, this.owner, { ...DEFAULT_OPTIONS, ...options });
  }

  static greeted(options: Partial<Http2Options> = {}): Client {
    const client = new Client(options);
    client.receive(settings(), SETTINGS_ACK);
    client.log.take();
    client.owner.take();
    return client;
  }

  receive(...parts: Uint8Array[]): void {
    const bytes = Buffer.concat(parts);
    this.codec.receive(bytes, 0, bytes.length);
    bytes.fill(0xee);
  }

  open(): OutgoingStream {
    const recorder = new StreamRecorder(this.owner.events, String(this.recorders.length + 1));
    this.recorders.push(recorder);
    recorder.stream = this.codec.newStream(recorder);
    return recorder.stream;
  }

  /** Opens a stream and sends a whole request. */
  request(method = 'GET'): OutgoingStream {
    const stream = this.open();
    stream.sendHeaders(request(method), true);
    this.log.take();
    return stream;
  }
}

function request(method = 'GET'): Headers {
  const headers = Headers.request(method, '/', 'a.b');
  headers.scheme = 'http';
  return headers;
}

const HEAD = ':method=GET :path=/ :authority=a.b :scheme=http';

test('what a client says first, without waiting for an answer', () => {
  const client = new Client();
  client.open().sendHeaders(request(), true);
  assert.deepEqual(client.log.take(), [
    'SETTINGS 2=0 1=4096 8=0 3=1024 4=16777216',
    'WINDOW_UPDATE 0 25100289',
    `HEADERS 1 ${HEAD} end`,
  ]);
  client.receive(settings([8, 1]));
  assert.deepEqual(client.log.take(), ['SETTINGS ack']);
  assert.equal(client.codec.peerAllowsConnect, true);
});

describe('responses, in whatever pieces they come', () => {
  const cases: { name: string; method?: string; bytes: Buffer[]; events: string[] }[] = [
    {
      name: 'headers alone',
      bytes: [headers(1, END, ':status', '404', 'x-a', '1')],
      events: ['1 headers :status=404 x-a=1 end', 'available'],
    },
    {
      name: 'interim responses, body and trailers',
      bytes: [
        headers(1, Flag.EndHeaders, ':status', '103', 'link', '</a>'),
        headers(1, Flag.EndHeaders, ':status', '100'),
        headers(1, Flag.EndHeaders, ':status', '200'),
        data(1, 0, 'abc'),
        data(1, 0, 'def'),
        headers(1, END, 'grpc-status', '0'),
      ],
      events: [
        '1 interim :status=103 link=</a>',
        '1 interim :status=100',
        '1 headers :status=200',
        '1 data abcdef',
        '1 trailers grpc-status=0',
        'available',
      ],
    },
    {
      name: 'the answer to HEAD has a length and no body',
      method: 'HEAD',
      bytes: [headers(1, END, ':status', '200', 'content-length', '10')],
      events: ['1 headers :status=200 content-length=10 end', 'available'],
    },
    {
      name: '304 has a length and no body',
      bytes: [headers(1, END, ':status', '304', 'content-length', '10')],
      events: ['1 headers :status=304 content-length=10 end', 'available'],
    },
    {
      name: 'refused',
      bytes: [rst(1, 7)],
      events: ['1 reset remote-refused http2.remote_refuse', 'available'],
    },
    {
      name: 'reset in the middle',
      bytes: [headers(1, Flag.EndHeaders, ':status', '200'), data(1, 0, 'a'), rst(1, 2), data(1, 0, '')],
      events: ['1 headers :status=200', '1 data a', '1 reset remote-reset http2.remote_reset', 'available'],
    },
  ];
  for (const { name, method, bytes, events } of cases) {
    test(name, () => {
      const whole = Buffer.concat([settings(), SETTINGS_ACK, ...bytes]);
      const run = (...pieces: Buffer[]) => {
        const client = new Client();
        client.request(method);
        for (const piece of pieces) client.receive(Buffer.from(piece));
        assert.deepEqual(client.owner.take(), ['available', ...events]);
        assert.equal(client.codec.activeStreams, 0);
      };
      run(whole);
      for (let i = 0; i <= whole.length; i++) run(whole.subarray(0, i), whole.subarray(i));
      run(...Array.from(whole, (byte) => Buffer.from([byte])));
    });
  }
});

describe('malformed responses', () => {
  const status = (value: string, flags: number, ...fields: string[]) => headers(1, flags, ':status', value, ...fields);
  const cases: [string, Buffer[]][] = [
    ['no status', [headers(1, END, 'x-a', '1')]],
    ['a pseudo-header of requests', [status('200', END, ':path', '/')]],
    ['a status that is none', [status('2e2', END)]],
    ['a status of two digits', [status('20', END)]],
    ['101', [status('101', Flag.EndHeaders)]],
    ['an interim response that is the end', [status('103', END)]],
    ['DATA before headers', [data(1, 0, 'a')]],
    ['DATA behind an interim response', [status('103', Flag.EndHeaders), data(1, 0, 'a')]],
    ['no body where there should be one', [status('200', END, 'content-length', '2')]],
    ['headers twice', [status('200', Flag.EndHeaders), status('200', END)]],
    ['trailers that are not the end', [status('200', Flag.EndHeaders), headers(1, Flag.EndHeaders, 'x', 'y')]],
    ['an upper-case name', [status('200', END, 'X-A', '1')]],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => {
      const lenient = Client.greeted({ streamErrorOnInvalidMessage: true });
      lenient.request();
      lenient.receive(...bytes);
      const events = lenient.owner.take();
      assert.match(events.at(-2)!, /^1 reset protocol-error http2\./);
      assert.equal(events.at(-1), 'available');
      assert.deepEqual(lenient.log.take(), ['RST_STREAM 1 ProtocolError']);
      const strict = Client.greeted();
      strict.request();
      strict.receive(...bytes);
      assert.match(strict.owner.take().at(-1)!, /^connection error http2\./);
      assert.deepEqual(strict.log.take(), ['GOAWAY 0 ProtocolError']);
    });
  }

  const bodies: [string, Buffer[], string?][] = [
    ['a body of the wrong length', [status('200', Flag.EndHeaders, 'content-length', '2'), data(1, 0, 'abc')]],
    ['a body in 204', [status('204', Flag.EndHeaders), data(1, 0, 'a')]],
    ['a body in an answer to HEAD', [status('200', Flag.EndHeaders), data(1, 0, 'a')], 'HEAD'],
  ];
  for (const [name, bytes, method] of bodies) {
    test(`${name} ends its stream only`, () => {
      const client = Client.greeted();
      client.request(method);
      client.receive(...bytes);
      const events = client.owner.take();
      assert.match(events.at(-2)!, /^1 reset protocol-error http2\./);
      assert.equal(events.at(-1), 'available');
      assert.deepEqual(client.log.take(), ['RST_STREAM 1 ProtocolError']);
    });
  }

  test('endless interim responses', () => {
    const client = Client.greeted();
    client.request();
    for (let i = 0; i < 101; i++) client.receive(status('103', Flag.EndHeaders));
    assert.equal(client.owner.take().at(-1), 'connection error http2.violation.of.messaging.rule');
  });

  test('too many trailers', () => {
    const client = Client.greeted({ maxHeaderCount: 3 });
    client.request();
    client.receive(status('200', Flag.EndHeaders), headers(1, END, 'a', '1', 'b', '2', 'c', '3', 'd', '4'));
    assert.deepEqual(client.owner.take().slice(1), ['1 reset overflow http2.too_many_headers', 'available']);
  });

  test('too many headers', () => {
    const client = Client.greeted({ maxHeaderCount: 3 });
    client.request();
    client.receive(status('200', END, 'a', '1', 'b', '2', 'c', '3'));
    assert.deepEqual(client.owner.take(), ['1 reset overflow http2.too_many_headers', 'available']);
    assert.deepEqual(client.log.take(), ['RST_STREAM 1 InternalError']);
  });
});

describe('breaches that end the connection', () => {
  const cases: [string, Buffer][] = [
    ['a push', frame(FrameType.PushPromise, Flag.EndHeaders, 1, uint32(2))],
    ['a push that was not asked for', settings([2, 1])],
    ['HEADERS on an idle stream', headers(3, END, ':status', '200')],
    ['HEADERS on a stream of the server', headers(2, END, ':status', '200')],
    ['DATA on an idle stream', data(3, 0, 'a')],
    ['RST_STREAM on an idle stream', rst(3, 0)],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => {
      const client = Client.greeted();
      client.request();
      client.receive(bytes);
      const events = client.owner.take();
      assert.match(events[0], /^1 reset protocol-error http2\./);
      assert.match(events[1], /^connection error http2\./);
      assert.deepEqual(client.log.take(), ['GOAWAY 0 ProtocolError']);
      assert.equal(client.codec.canOpen, false);
    });
  }
});

describe('how many streams', () => {
  test('the lower of both limits, and streams that have not begun count', () => {
    const client = Client.greeted({ maxConcurrentStreams: 3 });
    const streams = [client.open(), client.open(), client.open()];
    assert.equal(client.codec.canOpen, false);
    assert.throws(() => client.open(), /no further stream/);
    streams[0].reset(ResetReason.LocalReset);
    assert.deepEqual(client.owner.take(), ['available']);
    assert.deepEqual(client.log.take(), []);
    assert.equal(client.codec.canOpen, true);
    client.receive(settings([3, 2]));
    assert.equal(client.codec.canOpen, false);
    client.receive(settings([3, 9]));
    assert.deepEqual(client.owner.take(), ['available']);
    assert.equal(client.codec.canOpen, true);
  });

  test('ids are given in the order of the headers', () => {
    const client = Client.greeted();
    const first = client.open();
    const second = client.open();
    second.sendHeaders(request('POST'), false);
    first.sendHeaders(request(), true);
    assert.deepEqual(client.log.take(), [
      'HEADERS 1 :method=POST :path=/ :authority=a.b :scheme=http',
      `HEADERS 3 ${HEAD} end`,
    ]);
  });
});

describe('the end', () => {
  test('GOAWAY: what the server has not looked at is refused, the rest goes on', () => {
    const client = Client.greeted();
    client.request();
    client.request();
    const unsent = client.open();
    client.receive(goAway(0x7fffffff, 0));
    assert.deepEqual(client.owner.take(), ['drain', '3 reset remote-refused http2.remote_refuse']);
    assert.equal(client.codec.canOpen, false);
    unsent.sendHeaders(request(), true);
    assert.deepEqual(client.log.take(), []);
    client.receive(goAway(1, 0));
    assert.deepEqual(client.owner.take(), ['2 reset remote-refused http2.remote_refuse']);
    client.receive(headers(1, END, ':status', '200'));
    assert.deepEqual(client.owner.take(), ['1 headers :status=200 end']);
    assert.equal(client.codec.activeStreams, 0);
  });

  test('the connection breaks, or the server ends it', () => {
    for (const end of ['closed', 'ended']) {
      const client = Client.greeted();
      client.request();
      client.open();
      if (end === 'closed') client.codec.connectionClosed(ResetReason.ConnectionTermination, 'gone');
      else client.codec.receiveEnd();
      const events = client.owner.take();
      assert.match(events[0], /^1 reset connection-termination/);
      assert.match(events[1], /^2 reset connection-termination/);
      assert.deepEqual(events.slice(2), end === 'ended' ? ['drain'] : []);
      assert.equal(client.codec.canOpen, false);
    }
  });

  test('giving up', () => {
    const client = Client.greeted();
    const stream = client.request();
    stream.reset(ResetReason.LocalReset);
    client.receive(headers(1, Flag.EndHeaders, ':status', '200'), data(1, Flag.EndStream, 'late'));
    assert.deepEqual(client.log.take(), ['RST_STREAM 1 Cancel']);
    assert.deepEqual(client.owner.take(), ['available']);
  });

  test('a response before the end of the request ends the exchange', () => {
    const client = Client.greeted();
    const stream = client.open();
    stream.sendHeaders(request('POST'), false);
    client.receive(headers(1, END, ':status', '413'));
    client.receive(rst(1, 0));
    stream.sendData(Buffer.from('late'), true);
    assert.deepEqual(client.owner.take(), ['1 headers :status=413 end', 'available']);
    assert.deepEqual(client.log.take().slice(1), ['RST_STREAM 1 Cancel']);
  });

  test('a tunnel lives until both directions have ended', () => {
    for (const first of ['client', 'server']) {
      const client = Client.greeted();
      const stream = client.open();
      stream.sendHeaders(Headers.request('CONNECT', '', 'a:1'), false);
      client.receive(headers(1, Flag.EndHeaders, ':status', '200'));
      const end = [() => stream.sendData(Buffer.from('x'), true), () => client.receive(data(1, Flag.EndStream, 'y'))];
      if (first === 'server') end.reverse();
      end[0]();
      assert.equal(client.codec.activeStreams, 1);
      end[1]();
      assert.equal(client.codec.activeStreams, 0);
      assert.deepEqual(client.owner.take(), ['1 headers :status=200', '1 data y end', 'available']);
      assert.equal(client.log.take().at(-1), 'DATA 1 1 end');
    }
  });

  test('a whole response that waits for its reader survives RST_STREAM(NO_ERROR)', () => {
    const client = Client.greeted();
    const stream = client.open();
    stream.sendHeaders(request('POST'), false);
    stream.pauseReading(true);
    client.receive(headers(1, Flag.EndHeaders, ':status', '413'), data(1, Flag.EndStream, 'too much'), rst(1, 0));
    assert.deepEqual(client.owner.take(), ['1 headers :status=413']);
    stream.pauseReading(false);
    assert.deepEqual(client.owner.take(), ['1 data too much end', 'available']);
    assert.equal(client.codec.activeStreams, 0);
  });
});
