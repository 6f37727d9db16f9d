import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  block,
  data,
  END,
  FrameLog,
  frame,
  GET,
  goAway,
  HELLO,
  headers,
  POST,
  ping,
  rst,
  SETTINGS_ACK,
  settings,
  uint32,
  windowUpdate,
} from '../../../test/support/http2-frames.ts';
import { ServerRecorder } from '../../../test/support/stream-recorder.ts';
import { Headers } from '../headers.ts';
import { ResetReason } from '../http.ts';
import { ErrorCode, Flag, FrameType, PREFACE } from './constants.ts';
import { DEFAULT_OPTIONS, type Http2Options } from './options.ts';
import { Http2ServerCodec } from './server.ts';

const STREAM_ERRORS: Partial<Http2Options> = { streamErrorOnInvalidMessage: true };

class Server {
  readonly log = new FrameLog();
  readonly owner = new ServerRecorder();
  readonly codec: Http2ServerCodec;

  constructor(options: Partial<Http2Options> = {}) {
    this.codec = new Http2ServerCodec(this.log, this.owner, { ...DEFAULT_OPTIONS, ...options });
  }

  /** The same, after the settings have been exchanged. */
  static greeted(options: Partial<Http2Options> = {}): Server {
    const server = new Server(options);
    server.receive(HELLO, SETTINGS_ACK);
    server.log.take();
    return server;
  }

  receive(...parts: Uint8Array[]): void {
    // A buffer that is overwritten afterwards, as the owner's may be.
    const bytes = Buffer.concat([Buffer.alloc(3), ...parts, Buffer.alloc(2)]);
    this.codec.receive(bytes, 3, bytes.length - 2);
    bytes.fill(0xee);
  }
}

const respond = (server: Server, body = 'ok') => {
  server.owner.whenStream = (recorder) => {
    const answer = () => {
      recorder.stream.sendHeaders(Headers.response(200), false);
      recorder.stream.sendData(Buffer.from(body), true);
    };
    recorder.whenHeaders = (_, end) => end && answer();
    recorder.whenData = (_, end) => end && answer();
  };
};

const ok = (id: number, length = 2) => [`HEADERS ${id} :status=200`, `DATA ${id} ${length} end`];
const HEAD = (method: string) => `:method=${method} :path=/ :authority=a.b :scheme=http`;

test('what a server says first', () => {
  const server = new Server();
  assert.deepEqual(server.log.take(), ['SETTINGS 1=4096 8=0 3=1024 4=16777216', 'WINDOW_UPDATE 0 25100289']);
  server.receive(HELLO);
  assert.deepEqual(server.log.take(), ['SETTINGS ack']);
  const other = new Server({
    allowConnect: true,
    initialConnectionWindowSize: 65535,
    initialStreamWindowSize: 70000,
    hpackTableSize: 0,
    maxConcurrentStreams: 7,
    customSettings: [[0x4242, 9]],
  });
  assert.deepEqual(other.log.take(), ['SETTINGS 1=0 8=1 3=7 4=70000 16962=9']);
});

describe('messages, in whatever pieces they come', () => {
  const cases: {
    name: string;
    bytes: Buffer[];
    events: string[];
    frames: string[];
    options?: Partial<Http2Options>;
  }[] = [
    {
      name: 'a request without a body',
      bytes: [headers(1, END, ...GET, 'x-a', '1')],
      events: [`1 headers ${HEAD('GET')} x-a=1 end`],
      frames: ok(1),
    },
    {
      name: 'a request with a body, padding and priority',
      bytes: [
        frame(
          FrameType.Headers,
          Flag.EndHeaders | Flag.Padded | Flag.Priority,
          1,
          Buffer.concat([Buffer.from([3]), uint32(0x80000003), Buffer.from([16]), block(...POST), Buffer.alloc(3)]),
        ),
        data(1, Flag.Padded, '\x04abc\0\0\0\0'),
        data(1, Flag.Padded | Flag.EndStream, '\x00def'),
      ],
      events: [`1 headers ${HEAD('POST')}`, '1 data abcdef end'],
      frames: ok(1),
    },
    {
      name: 'continuation, unknown frames, trailers, and two streams in turns',
      bytes: [
        frame(FrameType.Headers, 0, 1, block(...POST).subarray(0, 9)),
        frame(FrameType.Continuation, 0, 1, block(...POST).subarray(9, 10)),
        frame(FrameType.Continuation, Flag.EndHeaders, 1, block(...POST).subarray(10)),
        frame(0x77, 0xff, 1, 'what is this'),
        frame(0x78, 0, 0),
        data(1, 0, 'one'),
        headers(3, END, ...GET),
        data(1, 0, 'two'),
        headers(1, END, 'x-sum', '2'),
      ],
      events: [
        `1 headers ${HEAD('POST')}`,
        '1 data one',
        `2 headers ${HEAD('GET')} end`,
        '1 data two',
        '1 trailers x-sum=2',
      ],
      frames: ok(3),
    },
    {
      name: 'PRIORITY, WINDOW_UPDATE, PING, settings, GOAWAY of a client',
      bytes: [
        frame(FrameType.Priority, 0, 5, Buffer.concat([uint32(3), Buffer.from([1])])),
        windowUpdate(0, 100),
        ping(0, '12345678'),
        ping(Flag.Ack, '12345678'),
        settings([1, 100], [4, 1000], [5, 20000], [0x99, 1]),
        goAway(0, 0),
        headers(1, END, ...GET),
      ],
      events: [`1 headers ${HEAD('GET')} end`],
      frames: ['PING ack 3132333435363738', 'SETTINGS ack', ...ok(1)],
    },
    {
      name: 'cookies are one, Host gives way to :authority, a body of a known length',
      bytes: [
        headers(1, Flag.EndHeaders, ...POST, 'host', 'c.d', 'cookie', 'a=1', 'content-length', '3', 'cookie', 'b=2'),
        data(1, 0, 'a'),
        data(1, Flag.EndStream, 'bc'),
      ],
      events: [`1 headers ${HEAD('POST')} cookie=a=1; b=2 content-length=3`, '1 data abc end'],
      frames: ok(1),
    },
    {
      name: 'Host alone',
      bytes: [headers(1, END, ...GET.slice(0, 6), 'host', 'c.d')],
      events: ['1 headers :method=GET :path=/ :authority=c.d :scheme=http end'],
      frames: ok(1),
    },
    {
      name: 'CONNECT',
      bytes: [headers(1, Flag.EndHeaders, ':method', 'CONNECT', ':authority', 'a:1'), data(1, 0, 'abc')],
      events: ['1 headers :method=CONNECT :authority=a:1', '1 data abc'],
      frames: [],
    },
    {
      name: 'extended CONNECT',
      options: { allowConnect: true },
      bytes: [headers(1, Flag.EndHeaders, ':method', 'CONNECT', ':protocol', 'websocket', ...GET.slice(2))],
      events: ['1 headers :method=CONNECT :path=/ :authority=a.b :scheme=http :protocol=websocket'],
      frames: [],
    },
    {
      name: 'OPTIONS *, and a path with odd characters',
      bytes: [
        headers(1, END, ':method', 'OPTIONS', ':scheme', 'https', ':path', '*', ':authority', 'a.b'),
        headers(3, END, ':method', 'gEt', ':scheme', 'ftp', ':path', '/\xe9"#', ':authority', '[::1]:80'),
      ],
      events: [
        '1 headers :method=OPTIONS :path=* :authority=a.b :scheme=https end',
        '2 headers :method=gEt :path=/\xe9"# :authority=[::1]:80 :scheme=ftp end',
      ],
      frames: [...ok(1), ...ok(3)],
    },
    {
      name: 'the client takes a request back',
      bytes: [headers(1, Flag.EndHeaders, ...POST), rst(1, 8), data(1, 0, 'late'), headers(3, END, ...GET)],
      events: [`1 headers ${HEAD('POST')}`, '1 reset remote-reset http2.remote_reset', `2 headers ${HEAD('GET')} end`],
      frames: ['RST_STREAM 1 StreamClosed', ...ok(3)],
    },
  ];
  for (const { name, bytes, events, frames, options } of cases) {
    test(name, () => {
      const whole = Buffer.concat([Buffer.from(PREFACE, 'latin1'), settings(), SETTINGS_ACK, ...bytes]);
      const run = (...pieces: Buffer[]) => {
        const server = new Server(options);
        respond(server);
        server.log.take();
        for (const piece of pieces) server.receive(piece);
        assert.deepEqual(server.owner.take(), events);
        assert.deepEqual(server.log.take(), ['SETTINGS ack', ...frames]);
      };
      run(whole);
      for (let i = 0; i <= whole.length; i++) run(whole.subarray(0, i), whole.subarray(i));
      run(...Array.from(whole, (byte) => Buffer.from([byte])));
    });
  }
});

describe('malformed requests', () => {
  const without = (name: string) => {
    const at = GET.indexOf(name);
    return [...GET.slice(0, at), ...GET.slice(at + 2)];
  };
  const changed = (name: string, value: string) => {
    const at = GET.indexOf(name);
    return [...GET.slice(0, at + 1), value, ...GET.slice(at + 2)];
  };
  const FIELD = 'http2.invalid.header.field';
  const RULE = 'http2.violation.of.messaging.rule';
  const cases: [string, string, Buffer][] = [
    ['an upper-case name', FIELD, headers(1, END, ...GET, 'X-A', '1')],
    ['Connection', FIELD, headers(1, END, ...GET, 'connection', 'close')],
    ['Transfer-Encoding', FIELD, headers(1, END, ...GET, 'transfer-encoding', 'chunked')],
    ['te: gzip', FIELD, headers(1, END, ...GET, 'te', 'gzip')],
    ['an unknown pseudo-header', FIELD, headers(1, END, ...GET, ':what', '1')],
    ['a pseudo-header of responses', FIELD, headers(1, END, ...GET, ':status', '200')],
    ['a pseudo-header behind a header', FIELD, headers(1, END, 'x-a', '1', ...GET)],
    ['a pseudo-header twice', FIELD, headers(1, END, ...GET, ':path', '/')],
    ['no :method', RULE, headers(1, END, ...without(':method'))],
    ['no :scheme', RULE, headers(1, END, ...without(':scheme'))],
    ['no :path', RULE, headers(1, END, ...without(':path'))],
    ['no :authority', RULE, headers(1, END, ...without(':authority'))],
    ['an empty :path', FIELD, headers(1, END, ...changed(':path', ''))],
    ['a relative :path', RULE, headers(1, END, ...changed(':path', 'a'))],
    ['a space in :path', FIELD, headers(1, END, ...changed(':path', '/a b'))],
    ['* without OPTIONS', RULE, headers(1, END, ...changed(':path', '*'))],
    ['an empty :authority', FIELD, headers(1, END, ...changed(':authority', ''))],
    ['user info in :authority', FIELD, headers(1, END, ...changed(':authority', 'u@a'))],
    ['an odd :method', FIELD, headers(1, END, ...changed(':method', 'G T'))],
    ['an empty :scheme', FIELD, headers(1, END, ...changed(':scheme', ''))],
    ['two Hosts', FIELD, headers(1, END, ...without(':authority'), 'host', 'a', 'host', 'a')],
    ['a line feed in a value', FIELD, headers(1, END, ...GET, 'x-a', '1\n2')],
    ['CONNECT with a path', RULE, headers(1, END, ...changed(':method', 'CONNECT'))],
    ['CONNECT without authority', RULE, headers(1, END, ':method', 'CONNECT')],
    ['extended CONNECT where it is not allowed', FIELD, headers(1, END, ...GET, ':protocol', 'websocket')],
    ['two lengths', FIELD, headers(1, END, ...GET, 'content-length', '0', 'content-length', '0')],
    ['a length that is none', FIELD, headers(1, END, ...GET, 'content-length', '+1')],
    ['a length beyond numbers', FIELD, headers(1, END, ...GET, 'content-length', '1234567890123456')],
    ['a length and no body', RULE, headers(1, END, ...GET, 'content-length', '1')],
  ];
  for (const [name, details, bytes] of cases) {
    test(name, () => {
      const events = [`1 reset protocol-error ${details}`];
      const lenient = Server.greeted(STREAM_ERRORS);
      respond(lenient);
      lenient.receive(bytes, headers(3, END, ...GET));
      assert.deepEqual(lenient.owner.take(), [...events, `2 headers ${HEAD('GET')} end`]);
      assert.deepEqual(lenient.log.take(), ['RST_STREAM 1 ProtocolError', ...ok(3)]);

      const strict = Server.greeted();
      strict.receive(bytes, headers(3, END, ...GET));
      assert.deepEqual(strict.owner.take(), [...events, `connection error ${details}`]);
      assert.deepEqual(strict.log.take(), ['GOAWAY 1 ProtocolError']);
    });
  }

  const bodies: [string, Buffer[]][] = [
    ['a body longer than its length', [data(1, 0, 'abcd')]],
    ['a body shorter than its length', [data(1, Flag.EndStream, 'ab')]],
    ['trailers before the end of the length', [data(1, 0, 'ab'), headers(1, END, 'x-a', '1')]],
    ['trailers that are not the end', [data(1, 0, 'abc'), headers(1, Flag.EndHeaders, 'x-a', '1')]],
    ['a pseudo-header in trailers', [data(1, 0, 'abc'), headers(1, END, ':path', '/')]],
    ['a length in trailers that is none', [data(1, 0, 'abc'), headers(1, END, 'content-length', '-1')]],
    ['another length in trailers', [data(1, 0, 'abc'), headers(1, END, 'content-length', '4')]],
    ['a Host in trailers', [data(1, 0, 'abc'), headers(1, END, 'host', 'c.d')]],
  ];
  for (const [name, parts] of bodies) {
    test(name, () => {
      const server = Server.greeted(STREAM_ERRORS);
      server.receive(headers(1, Flag.EndHeaders, ...POST, 'content-length', '3'), ...parts);
      assert.match(server.owner.take().at(-1)!, /^1 reset protocol-error http2\./);
      assert.deepEqual(server.log.take(), ['RST_STREAM 1 ProtocolError']);
    });
  }
});

describe('limits on headers', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => [`h${i}`, 'v']).flat();
  const cases: [string, Buffer[], string][] = [
    ['as many as are allowed', [headers(1, END, ...GET, ...many(96))], ''],
    ['one more', [headers(1, END, ...GET, ...many(97))], 'http2.too_many_headers'],
    ['too long', big(61 * 1024), 'http2.header_list_size_too_large'],
    ['as long as is allowed', big(60 * 1024 - 100), ''],
  ];
  function big(length: number): Buffer[] {
    const bytes = block(...GET, 'x-a', 'v'.repeat(length));
    const parts = [frame(FrameType.Headers, Flag.EndStream, 1, bytes.subarray(0, 16384))];
    for (let at = 16384; at < bytes.length; at += 16384) {
      const flags = at + 16384 >= bytes.length ? Flag.EndHeaders : 0;
      parts.push(frame(FrameType.Continuation, flags, 1, bytes.subarray(at, at + 16384)));
    }
    return parts;
  }
  for (const [name, bytes, details] of cases) {
    test(name, () => {
      const server = Server.greeted();
      respond(server);
      server.receive(...bytes, headers(3, END, ...GET));
      const [first] = server.owner.take();
      if (details === '') assert.match(first, /^1 headers/);
      else assert.equal(first, `1 reset overflow ${details}`);
      assert.deepEqual(server.log.take(), [...(details ? ['RST_STREAM 1 InternalError'] : ok(1)), ...ok(3)]);
    });
  }

  test('endless continuation', () => {
    for (const size of [1, 1000, 16384]) {
      const server = Server.greeted();
      server.receive(frame(FrameType.Headers, 0, 1, block(...GET)));
      const piece = frame(FrameType.Continuation, 0, 1, Buffer.alloc(size, 0x82));
      let sent = 0;
      while (server.owner.events.length === 0 && sent++ < 300) server.receive(piece);
      assert.deepEqual(server.owner.take(), ['connection error http2.header_list_size_too_large']);
      assert.deepEqual(server.log.take(), ['GOAWAY 0 EnhanceYourCalm']);
    }
  });

  test('an index that stands for much, many times over', () => {
    const server = Server.greeted();
    const value = Buffer.concat([Buffer.from([0x40, 1, 0x61, 127, 0xa1, 0x1e]), Buffer.alloc(4000, 0x62)]);
    const bomb = Buffer.concat([block(...GET), value, Buffer.alloc(8000, 0x80 | 62)]);
    server.receive(frame(FrameType.Headers, END, 1, bomb));
    assert.match(server.owner.take()[0], /^1 reset overflow /);
  });
});

describe('breaches that end the connection', () => {
  const open = headers(1, Flag.EndHeaders, ...POST);
  const cases: [string, ErrorCode, Buffer][] = [
    ['DATA on stream 0', ErrorCode.ProtocolError, data(0, 0, 'a')],
    ['DATA on an idle stream', ErrorCode.ProtocolError, data(3, 0, 'a')],
    ['HEADERS on stream 0', ErrorCode.ProtocolError, headers(0, END, ...GET)],
    ['HEADERS with an even id', ErrorCode.ProtocolError, headers(2, END, ...GET)],
    ['a frame above 16 KiB', ErrorCode.FrameSizeError, data(1, 0, Buffer.alloc(16385))],
    ['padding longer than the frame', ErrorCode.ProtocolError, data(1, Flag.Padded, '\x04abc')],
    ['padding without its length', ErrorCode.FrameSizeError, data(1, Flag.Padded, '')],
    ['header padding too long', ErrorCode.ProtocolError, frame(FrameType.Headers, END | Flag.Padded, 3, '\x09abc')],
    ['a priority cut short', ErrorCode.FrameSizeError, frame(FrameType.Headers, END | Flag.Priority, 3, 'abc')],
    ['a bad header block', ErrorCode.CompressionError, frame(FrameType.Headers, END, 3, '\xff\xff\xff')],
    ['CONTINUATION of nothing', ErrorCode.ProtocolError, frame(FrameType.Continuation, 4, 1, block('x', 'y'))],
    ['another frame in a block', ErrorCode.ProtocolError, Buffer.concat([headers(3, 0, ...GET), ping(0, '12345678')])],
    [
      'CONTINUATION of another',
      ErrorCode.ProtocolError,
      Buffer.concat([headers(3, 0), frame(9, 4, 5, block('x', 'y'))]),
    ],
    ['PUSH_PROMISE', ErrorCode.ProtocolError, frame(FrameType.PushPromise, 4, 1, uint32(2))],
    ['WINDOW_UPDATE of 0 on a stream', ErrorCode.ProtocolError, windowUpdate(1, 0)],
    ['RST_STREAM on an idle stream', ErrorCode.ProtocolError, rst(3, 0)],
    ['RST_STREAM on stream 0', ErrorCode.ProtocolError, rst(0, 0)],
    ['RST_STREAM of a wrong size', ErrorCode.FrameSizeError, frame(FrameType.RstStream, 0, 1, 'abc')],
    ['SETTINGS on a stream', ErrorCode.ProtocolError, frame(FrameType.Settings, 0, 1)],
    ['SETTINGS of a wrong size', ErrorCode.FrameSizeError, frame(FrameType.Settings, 0, 0, 'abc')],
    ['SETTINGS ack with something', ErrorCode.FrameSizeError, frame(FrameType.Settings, 1, 0, 'abcdef')],
    ['ENABLE_PUSH of 2', ErrorCode.ProtocolError, settings([2, 2])],
    ['a window above 2^31-1', ErrorCode.FlowControlError, settings([4, 0x80000000])],
    ['a frame size of 0', ErrorCode.ProtocolError, settings([5, 0])],
    ['a frame size of 2^24', ErrorCode.ProtocolError, settings([5, 1 << 24])],
    ['ENABLE_CONNECT_PROTOCOL of 2', ErrorCode.ProtocolError, settings([8, 2])],
    ['ENABLE_CONNECT_PROTOCOL taken back', ErrorCode.ProtocolError, settings([8, 1], [8, 0])],
    ['PING on a stream', ErrorCode.ProtocolError, frame(FrameType.Ping, 0, 1, '12345678')],
    ['PING of a wrong size', ErrorCode.FrameSizeError, ping(0, '1234567')],
    ['GOAWAY on a stream', ErrorCode.ProtocolError, frame(FrameType.GoAway, 0, 1, uint32(0, 0))],
    ['GOAWAY of a wrong size', ErrorCode.FrameSizeError, frame(FrameType.GoAway, 0, 0, uint32(0))],
    ['WINDOW_UPDATE of 0', ErrorCode.ProtocolError, windowUpdate(0, 0)],
    ['WINDOW_UPDATE on an idle stream', ErrorCode.ProtocolError, windowUpdate(3, 1)],
    ['WINDOW_UPDATE of a wrong size', ErrorCode.FrameSizeError, frame(FrameType.WindowUpdate, 0, 0, 'abc')],
    ['a connection window above 2^31-1', ErrorCode.FlowControlError, windowUpdate(0, 0x7fffffff)],
    ['PRIORITY of a wrong size', ErrorCode.FrameSizeError, frame(FrameType.Priority, 0, 1, 'abcd')],
    ['PRIORITY on stream 0', ErrorCode.ProtocolError, frame(FrameType.Priority, 0, 0, '12345')],
    ['an empty HEADERS twice', ErrorCode.EnhanceYourCalm, Buffer.concat([headers(3, 0), frame(9, 0, 3)])],
    ['empty DATA twice', ErrorCode.EnhanceYourCalm, Buffer.concat([data(1, 0, ''), data(1, 0, '')])],
    ['only padding twice', ErrorCode.EnhanceYourCalm, Buffer.concat([data(1, 8, '\x01a'), data(1, 8, '\x01a')])],
  ];
  for (const [name, code, bytes] of cases) {
    test(name, () => {
      for (const split of [0, 1, 9, bytes.length - 1]) {
        const server = Server.greeted();
        server.receive(open, bytes.subarray(0, split));
        server.receive(bytes.subarray(split), headers(7, END, ...GET));
        const events = server.owner.take();
        assert.match(events[1], /^1 reset protocol-error http2\.\w/);
        assert.match(events[2], /^connection error http2\.\w/);
        assert.equal(events.length, 3);
        const name = Object.entries(ErrorCode).find(([, value]) => value === code)![0];
        assert.equal(server.log.take().at(-1), `GOAWAY 1 ${name}`);
        assert.equal(server.codec.activeStreams, 0);
      }
    });
  }

  test('frames behind the end of a request', () => {
    for (const late of [data(1, 0, 'a'), data(1, 1, ''), headers(1, END, 'x', 'y')]) {
      const server = Server.greeted();
      // Not even an answer that is complete: it has not left yet.
      respond(server);
      server.receive(headers(1, END, ...POST), late, headers(3, END, ...GET));
      assert.deepEqual(server.log.take(), ['GOAWAY 1 StreamClosed']);
    }
  });

  test('something else instead of the preface', () => {
    for (const text of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\rX']) {
      const server = new Server();
      server.receive(Buffer.from(text));
      assert.deepEqual(server.owner.take(), ['connection error http2.bad_preface']);
    }
  });

  test('another frame before SETTINGS', () => {
    for (const first of [ping(0, '12345678'), SETTINGS_ACK]) {
      const server = new Server();
      server.receive(Buffer.from(PREFACE), first);
      assert.deepEqual(server.owner.take(), ['connection error http2.settings_expected']);
    }
  });

  test('HEADERS on a stream that was closed', () => {
    const server = Server.greeted();
    respond(server);
    server.receive(headers(3, END, ...GET));
    server.log.take();
    server.receive(headers(1, END, ...GET));
    assert.deepEqual(server.log.take(), ['GOAWAY 3 StreamClosed']);
  });
});

describe('breaches that end the stream', () => {
  const open = headers(1, Flag.EndHeaders, ...POST);
  const long = headers(1, Flag.EndHeaders, ...POST, 'content-length', '2');
  const self = Buffer.concat([uint32(1), Buffer.from([0])]);
  const cases: [string, string, Buffer, Buffer][] = [
    ['a body of the wrong length', 'ProtocolError', long, data(1, 0, 'abc')],
    ['a window above 2^31-1', 'FlowControlError', open, windowUpdate(1, 0x7fffffff)],
    ['dependency on itself', 'ProtocolError', open, frame(FrameType.Priority, 0, 1, self)],
  ];
  for (const [name, code, first, second] of cases) {
    test(name, () => {
      const server = Server.greeted();
      respond(server);
      server.owner.whenStream = undefined;
      server.receive(first, second, headers(3, END, ...GET));
      const events = server.owner.take();
      assert.match(events[1], /^1 reset protocol-error http2\./);
      assert.match(events[2], /^2 headers/);
      assert.deepEqual(server.log.take(), [`RST_STREAM 1 ${code}`]);
    });
  }

  test('a new stream that depends on itself, or is one too many', () => {
    const server = Server.greeted({ maxConcurrentStreams: 1 });
    const selfish = Buffer.concat([self, block(...GET)]);
    server.receive(frame(FrameType.Headers, END | Flag.Priority, 1, selfish), headers(5, Flag.EndHeaders, ...POST));
    server.receive(headers(7, Flag.EndHeaders, ...POST), data(7, 0, 'a'), headers(7, END, 'x', 'y'));
    assert.deepEqual(server.owner.take(), [`1 headers ${HEAD('POST')}`]);
    assert.deepEqual(server.log.take(), ['RST_STREAM 1 ProtocolError', 'RST_STREAM 7 RefusedStream']);
  });
});

describe('answers given while bytes are read', () => {
  test('leave when all of them have been read', () => {
    const server = Server.greeted();
    respond(server);
    server.receive(headers(1, END, ...GET), headers(3, END, ...GET), rst(1, 8));
    assert.deepEqual(server.log.take(), ok(3));
  });

  test('give way to the end of a request that proves wrong', () => {
    const server = Server.greeted({ streamErrorOnInvalidMessage: true });
    server.owner.whenStream = (recorder) => {
      recorder.whenHeaders = () => recorder.stream.sendHeaders(Headers.response(404), true);
    };
    server.receive(headers(1, Flag.EndHeaders, ...POST), headers(1, Flag.EndHeaders, 'x', 'y'));
    assert.deepEqual(server.log.take(), ['RST_STREAM 1 ProtocolError']);
  });
});

describe('floods', () => {
  const flood = (server: Server, one: Buffer, times: number) => {
    for (let i = 0; i < times && server.owner.events.length === 0; i++) server.receive(one);
    return server.owner.take();
  };
  test('PRIORITY', () => {
    const one = frame(FrameType.Priority, 0, 9, Buffer.concat([uint32(3), Buffer.from([1])]));
    assert.deepEqual(flood(Server.greeted(), one, 100), []);
    assert.deepEqual(flood(Server.greeted(), one, 101), ['connection error http2.inbound_priority_frames_flood']);
  });
  test('WINDOW_UPDATE', () => {
    assert.deepEqual(flood(Server.greeted(), windowUpdate(0, 1), 5), []);
    assert.deepEqual(flood(Server.greeted(), windowUpdate(0, 1), 6), [
      'connection error http2.inbound_window_update_frames_flood',
    ]);
  });
  test('SETTINGS', () => {
    assert.deepEqual(flood(Server.greeted(), settings([4, 9]), 99), []);
    assert.deepEqual(flood(Server.greeted(), settings([4, 9]), 100), [
      'connection error http2.inbound_settings_frames_flood',
    ]);
  });
  test('PING by a peer that does not read', () => {
    const server = Server.greeted();
    assert.deepEqual(flood(server, ping(0, '12345678'), 3000), []);
    server.codec.outputBackpressure(true);
    assert.deepEqual(flood(server, ping(0, '12345678'), 1000), []);
    server.codec.outputBackpressure(false);
    server.codec.outputBackpressure(true);
    assert.deepEqual(flood(server, ping(0, '12345678'), 1001), ['connection error http2.outbound_frames_flood']);
  });
  test('responses to a peer that does not read', () => {
    const server = Server.greeted({ maxOutboundFrames: 50 });
    server.owner.whenStream = (recorder) => {
      recorder.whenHeaders = () => recorder.stream.sendHeaders(Headers.response(404), true);
    };
    server.codec.outputBackpressure(true);
    for (let i = 0; i < 50; i++) server.receive(headers(1 + 2 * i, END, ...GET));
    assert.equal(server.owner.take().at(-1)?.includes('connection error'), false);
    server.receive(headers(201, END, ...GET));
    assert.equal(server.owner.take().at(-1), 'connection error http2.outbound_frames_flood');
  });
  test('requests taken back at once (CVE-2023-44487), or made to fail', () => {
    for (const spoil of [
      (id: number) => rst(id, 8),
      (id: number) => frame(FrameType.Priority, 0, id, Buffer.concat([uint32(id), Buffer.from([0])])),
    ]) {
      const server = Server.greeted();
      let opened = 0;
      while (opened < 2000 && !server.owner.events.at(-1)?.startsWith('connection')) {
        const id = 1 + 2 * opened++;
        server.receive(headers(id, Flag.EndHeaders, ...POST), spoil(id));
      }
      assert.equal(opened, 501);
      assert.equal(server.owner.events.at(-1), 'connection error http2.premature_resets_flood');
      assert.equal(server.log.take().at(-1), 'GOAWAY 1001 EnhanceYourCalm');
    }
  });
  test('requests taken back late, or answered before, or few among many, are no flood', () => {
    let now = 0;
    const late = Server.greeted({ now: () => now });
    const answered = Server.greeted();
    const few = Server.greeted();
    answered.owner.whenStream = (recorder) => {
      recorder.whenHeaders = () => recorder.stream.sendHeaders(Headers.response(200), false);
    };
    respond(few);
    for (let i = 0; i < 1000; i++) {
      const id = 1 + 4 * i;
      late.receive(headers(id, END, ...GET));
      now += 1000;
      late.receive(rst(id, 8));
      answered.receive(headers(id, END, ...GET), rst(id, 8));
      few.receive(headers(id, END, ...GET), headers(id + 2, Flag.EndHeaders, ...POST), rst(id + 2, 8));
    }
    for (const server of [late, answered, few]) {
      assert.ok(!server.owner.take().some((event) => event.startsWith('connection')));
    }
  });
});

describe('the end of a connection', () => {
  test('graceful: an announcement, then the truth, then nothing', () => {
    const server = Server.greeted();
    server.receive(headers(1, END, ...GET));
    server.codec.drain();
    server.codec.drain();
    server.receive(headers(3, END, ...GET));
    server.codec.goAway();
    server.receive(headers(5, END, ...GET), data(5, 0, 'a'));
    assert.deepEqual(server.log.take(), ['GOAWAY 2147483647 NoError', 'GOAWAY 3 NoError']);
    server.owner.take();
    server.owner.streams[0].stream.sendHeaders(Headers.response(200), true);
    assert.deepEqual(server.owner.take(), []);
    server.owner.streams[1].stream.sendHeaders(Headers.response(200), true);
    assert.deepEqual(server.owner.take(), ['connection done']);
    server.codec.drain();
    server.codec.goAway();
    assert.deepEqual(server.owner.take(), []);
  });

  test('graceful with nothing going on', () => {
    const server = Server.greeted();
    server.codec.goAway();
    assert.deepEqual(server.owner.take(), ['connection done']);
    assert.deepEqual(server.log.take(), ['GOAWAY 0 NoError']);
  });

  test('the connection breaks, or the peer ends it', () => {
    for (const end of ['closed', 'ended']) {
      const server = Server.greeted();
      server.receive(headers(1, END, ...GET), headers(3, Flag.EndHeaders, ...POST));
      server.owner.take();
      if (end === 'closed') server.codec.connectionClosed(ResetReason.ConnectionTermination, 'gone');
      else server.codec.receiveEnd();
      const events = server.owner.take();
      assert.match(events[0], /^1 reset connection-termination /);
      assert.match(events[1], /^2 reset connection-termination /);
      assert.deepEqual(events.slice(2), end === 'ended' ? ['connection done'] : []);
      // Nothing is heard or said any more.
      server.receive(headers(5, END, ...GET));
      server.owner.streams[0].stream.sendHeaders(Headers.response(200), true);
      server.codec.goAway();
      assert.deepEqual([server.owner.take(), server.log.take()], [[], []]);
    }
  });
});

describe('responses', () => {
  const one = (first: Buffer, options?: Partial<Http2Options>) => {
    const server = Server.greeted(options);
    server.receive(first);
    server.owner.take();
    return { server, recorder: server.owner.streams[0], stream: server.owner.streams[0].stream };
  };

  test('interim responses, headers, data, trailers', () => {
    const { server, stream } = one(headers(1, END, ...GET));
    stream.sendInformational(Headers.response(103, 'link', '</a>'));
    stream.sendHeaders(Headers.response(200, 'x-a', '1'), false);
    stream.sendInformational(Headers.response(103));
    stream.sendData(Buffer.from('abc'), false);
    stream.sendData(Buffer.alloc(0), false);
    stream.sendTrailers(Headers.response(0, 'grpc-status', '0'));
    stream.sendData(Buffer.from('late'), true);
    assert.deepEqual(server.log.take(), [
      'HEADERS 1 :status=103 link=</a>',
      'HEADERS 1 :status=200 x-a=1',
      'DATA 1 3',
      'HEADERS 1 grpc-status=0 end',
    ]);
    assert.equal(server.codec.activeStreams, 0);
  });

  test('each frame is one write, and a large body is not copied', () => {
    const { server, stream } = one(headers(1, END, ...GET));
    server.log.writes = 0;
    stream.sendHeaders(Headers.response(200), false);
    stream.sendData(Buffer.alloc(2000), false);
    assert.equal(server.log.writes, 2);
    stream.sendData(Buffer.alloc(16384 + 100), true);
    assert.equal(server.log.writes, 5);
    assert.deepEqual(server.log.take().slice(1), ['DATA 1 2000', 'DATA 1 16384', 'DATA 1 100 end']);
  });

  test('more headers than a frame has room for', () => {
    const { server, stream } = one(headers(1, END, ...GET));
    const bytes: string[] = [];
    for (let i = 0; i < 500; i++) bytes.push(`name-${i}`, 'v'.repeat(100));
    server.log.takeBytes();
    stream.sendHeaders(Headers.response(200, ...bytes), true);
    let sent = server.log.takeBytes();
    const seen: number[][] = [];
    const blocks: Buffer[] = [];
    while (sent.length > 0) {
      const length = sent.readUIntBE(0, 3);
      seen.push([sent[3], sent[4]]);
      blocks.push(sent.subarray(9, 9 + length));
      sent = sent.subarray(9 + length);
    }
    assert.deepEqual(
      seen,
      [
        [1, 1],
        [9, 0],
        [9, 0],
        [9, 4],
      ]
        .slice(0, seen.length - 1)
        .concat([[9, 4]]),
    );
    const client = new FrameLog();
    client.write(frame(FrameType.Headers, END, 1, Buffer.concat(blocks)));
    assert.ok(client.take()[0].endsWith(`name-499=${'v'.repeat(100)} end`));
  });

  test('a complete response ends the exchange, whatever the client still sends', () => {
    const { server, stream } = one(headers(1, Flag.EndHeaders, ...POST));
    stream.sendHeaders(Headers.response(413), true);
    assert.deepEqual(server.log.take(), ['HEADERS 1 :status=413 end', 'RST_STREAM 1 NoError']);
    server.receive(data(1, 0, 'abc'), headers(1, END, 'x', 'y'), rst(1, 8), windowUpdate(1, 1));
    assert.deepEqual([server.log.take(), server.owner.take()], [[], []]);
  });

  test('a tunnel lives until both directions have ended', () => {
    const connect = headers(1, Flag.EndHeaders, ':method', 'CONNECT', ':authority', 'a:1');
    const { server, stream } = one(connect);
    stream.sendHeaders(Headers.response(200), false);
    stream.sendData(Buffer.from('x'), true);
    server.receive(data(1, 0, 'abc'));
    assert.deepEqual(server.owner.take(), ['1 data abc']);
    assert.equal(server.codec.activeStreams, 1);
    server.receive(data(1, Flag.EndStream, ''));
    assert.deepEqual(server.owner.take(), ['1 data  end']);
    assert.equal(server.codec.activeStreams, 0);
    assert.deepEqual(server.log.take(), ['HEADERS 1 :status=200', 'DATA 1 1 end']);
  });

  test('giving up', () => {
    const cases: [ResetReason, boolean, string][] = [
      [ResetReason.LocalReset, false, 'InternalError'],
      [ResetReason.Overflow, false, 'RefusedStream'],
      [ResetReason.Overflow, true, 'InternalError'],
      [ResetReason.RemoteRefused, false, 'RefusedStream'],
      [ResetReason.ProtocolError, true, 'ProtocolError'],
    ];
    for (const [reason, started, code] of cases) {
      const { server, stream } = one(headers(1, END, ...GET));
      if (started) stream.sendHeaders(Headers.response(200), false);
      server.log.take();
      stream.reset(reason);
      stream.reset(reason);
      assert.deepEqual(server.log.take(), [`RST_STREAM 1 ${code}`]);
      assert.deepEqual(server.owner.take(), []);
    }
  });

  test('PING for keepalive', () => {
    const server = Server.greeted();
    const answers: number[] = [];
    server.codec.ping(() => answers.push(1));
    server.codec.ping(() => answers.push(2));
    assert.deepEqual(server.log.take(), ['PING 0000000000000001', 'PING 0000000000000002']);
    server.receive(ping(Flag.Ack, '\0\0\0\0\0\0\0\x07'), ping(Flag.Ack, '\0\0\0\0\0\0\0\x01'));
    assert.deepEqual(answers, [1]);
    server.receive(ping(Flag.Ack, '\0\0\0\0\0\0\0\x02'), ping(Flag.Ack, '\0\0\0\0\0\0\0\x02'));
    assert.deepEqual(answers, [1, 2]);
  });
});
