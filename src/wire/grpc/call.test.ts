import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodecPair } from '../../../test/support/codec-pair.ts';
import { Headers } from '../headers.ts';
import { type OutgoingStream, ResetReason, type StreamHandler } from '../http.ts';
import { GrpcClientCall, type GrpcRequest } from './client.ts';
import { encodeMessage } from './framing.ts';
import { type GrpcMethod, GrpcServer, type GrpcServerCall, OK, unary } from './server.ts';
import { type GrpcCallHandler, GrpcCode, type GrpcStatus } from './transport.ts';

/** What came back from one call, one line an event. */
class Recorder implements GrpcCallHandler {
  readonly events: string[] = [];
  onHeaders(headers: Headers): void {
    this.events.push(`headers ${headers.get('x-meta') ?? ''}`.trim());
  }
  onMessage(bytes: Uint8Array): void {
    this.events.push(`message ${bytes.length > 20 ? bytes.length : Buffer.from(bytes).toString()}`);
  }
  onEnd(status: GrpcStatus, trailers: Headers | undefined): void {
    this.events.push(`end ${status.code} ${status.message}${trailers?.get('x-tail') ?? ''}`.trimEnd());
  }
}

const REQUEST: GrpcRequest = { path: '/t.T/M', authority: 'a.b', scheme: 'http', metadata: [] };
const bytes = (text: string) => Buffer.from(text);
const text = (message: Uint8Array) => Buffer.from(message).toString();

function connect(methods: Record<string, GrpcMethod>, piece?: number): CodecPair {
  return new CodecPair(new GrpcServer(new Map(Object.entries(methods)), 1000), {}, piece);
}

function call(pair: CodecPair, request: Partial<GrpcRequest>, ...messages: string[]): Recorder {
  const recorder = new Recorder();
  const one = new GrpcClientCall({ ...REQUEST, ...request }, recorder);
  one.start((handler) => pair.client.newStream(handler));
  for (const message of messages) one.send(bytes(message));
  one.end();
  pair.run();
  assert.deepEqual(pair.errors, []);
  assert.equal(one.over, true);
  assert.equal(pair.client.activeStreams, 0);
  assert.equal(pair.server.activeStreams, 0);
  return recorder;
}

const echo: GrpcMethod = unary((request, _call, respond) => respond(bytes(`<${text(request)}>`)));

describe('unary calls', () => {
  test('a response, in whatever pieces', () => {
    for (const piece of [1, 2, 5, 100, undefined]) {
      const pair = connect({ '/t.T/M': echo }, piece);
      assert.deepEqual(call(pair, {}, 'hi').events, ['headers', 'message <hi>', 'end 0']);
      assert.deepEqual(call(pair, {}, '').events, ['headers', 'message <>', 'end 0']);
    }
  });

  test('a status, with text, metadata and the time that the client gives', () => {
    const method = unary((_request, server, respond) => {
      assert.equal(server.path, '/t.T/M');
      assert.equal(server.metadata.get('x-user'), 'me');
      assert.equal(server.timeout, 2500);
      respond({ code: GrpcCode.PermissionDenied, message: 'nicht für dich: 100%' });
    });
    const pair = connect({ '/t.T/M': method });
    const recorder = call(pair, { metadata: [['X-User', 'me']], timeout: 2500 }, 'q');
    assert.deepEqual(recorder.events, ['end 7 nicht für dich: 100%']);
  });

  test('no message, or one too many', () => {
    const pair = connect({ '/t.T/M': echo });
    assert.deepEqual(call(pair, {}).events, ['end 13 no request message']);
    assert.deepEqual(call(pair, {}, 'a', 'b').events, ['end 13 more than one request message']);
  });

  test('no such method', () => {
    const pair = connect({});
    assert.deepEqual(call(pair, {}, 'a').events, ['end 12 there is no method /t.T/M']);
  });

  test('a message larger than either side takes', () => {
    const pair = connect({ '/t.T/M': echo });
    const [event] = call(pair, {}, 'x'.repeat(1001)).events;
    assert.match(event, /^end 8 a message of 1001 octets/);
    const large = connect({ '/t.T/M': unary((_, __, respond) => respond(Buffer.alloc(101))) });
    const events = call(large, { maxMessageSize: 100 }, 'x').events;
    assert.deepEqual(events, ['headers', 'end 8 a message of 101 octets, where 100 are allowed']);
  });
});

describe('streaming calls', () => {
  /** Answers each message at once, and tells at the end how many there were. */
  const chat: GrpcMethod = (server) => {
    let count = 0;
    server.sendMetadata([['X-Meta', 'm']]);
    return {
      onMessage(message) {
        count++;
        server.send(bytes(`${text(message)}!`));
        if (text(message) === 'stop') server.end({ code: GrpcCode.Aborted, message: 'stopped' });
      },
      onHalfClose: () => server.end(OK, [['x-tail', String(count)]]),
      onCancel() {},
    };
  };

  test('messages in turns', () => {
    const pair = connect({ '/t.T/M': chat }, 3);
    const recorder = new Recorder();
    const one = new GrpcClientCall(REQUEST, recorder);
    one.send(bytes('early'));
    assert.equal(one.bufferedBytes, 10);
    one.start((handler) => pair.client.newStream(handler));
    pair.run();
    assert.deepEqual(recorder.events, ['headers m', 'message early!']);
    one.send(bytes('b'));
    pair.run();
    one.send(bytes('c'));
    one.end();
    one.send(bytes('late'));
    pair.run();
    assert.deepEqual(recorder.events.slice(2), ['message b!', 'message c!', 'end 0 3']);
  });

  test('the server ends while the client would go on', () => {
    const pair = connect({ '/t.T/M': chat });
    const recorder = new Recorder();
    const one = new GrpcClientCall(REQUEST, recorder);
    one.start((handler) => pair.client.newStream(handler));
    for (const message of ['a', 'stop', 'b']) one.send(bytes(message));
    pair.run();
    one.send(bytes('c'));
    pair.run();
    assert.deepEqual(recorder.events, ['headers m', 'message a!', 'message stop!', 'end 10 stopped']);
    assert.deepEqual([pair.client.activeStreams, pair.server.activeStreams], [0, 0]);
  });

  test('the client cancels, or its deadline passes', () => {
    for (const how of ['cancel', 'fail']) {
      const events: string[] = [];
      const calls: GrpcServerCall[] = [];
      const method: GrpcMethod = (server) => {
        calls.push(server);
        return { onMessage() {}, onHalfClose() {}, onCancel: () => events.push('cancelled') };
      };
      const pair = connect({ '/t.T/M': method });
      const recorder = new Recorder();
      const one = new GrpcClientCall(REQUEST, recorder);
      one.start((handler) => pair.client.newStream(handler));
      pair.run();
      if (how === 'cancel') one.cancel();
      else one.fail({ code: GrpcCode.DeadlineExceeded, message: 'too late' });
      pair.run();
      calls[0].send(bytes('late'));
      calls[0].end(OK);
      pair.run();
      assert.deepEqual(events, ['cancelled']);
      assert.deepEqual(recorder.events, how === 'cancel' ? [] : ['end 4 too late']);
    }
  });

  test('a slow handler, on either side', () => {
    const calls: GrpcServerCall[] = [];
    const method: GrpcMethod = (server) => {
      calls.push(server);
      server.pauseReading(true);
      return { onMessage: (message) => server.send(message), onHalfClose: () => server.end(OK), onCancel() {} };
    };
    const pair = connect({ '/t.T/M': method });
    const recorder = new Recorder();
    const one = new GrpcClientCall(REQUEST, recorder);
    one.start((handler) => pair.client.newStream(handler));
    one.send(bytes('a'));
    one.end();
    pair.run();
    assert.deepEqual(recorder.events, []);
    calls[0].pauseReading(false);
    pair.run();
    assert.deepEqual(recorder.events, ['headers', 'message a', 'end 0']);
  });

  test('the connection breaks', () => {
    const pair = connect({ '/t.T/M': chat });
    const recorder = new Recorder();
    const one = new GrpcClientCall(REQUEST, recorder);
    one.start((handler) => pair.client.newStream(handler));
    pair.run();
    pair.client.connectionClosed(ResetReason.ConnectionTermination, 'gone');
    assert.deepEqual(recorder.events, ['headers m', 'end 14 connection-termination: gone']);
  });
});

test('a call that never gets a stream', () => {
  const recorder = new Recorder();
  const one = new GrpcClientCall(REQUEST, recorder);
  one.send(bytes('a'));
  one.fail({ code: GrpcCode.Unavailable, message: 'no connection' });
  one.start(() => assert.fail('it is over'));
  assert.deepEqual(recorder.events, ['end 14 no connection']);
  const cancelled = new GrpcClientCall(REQUEST, recorder);
  cancelled.cancel();
  cancelled.fail({ code: GrpcCode.Unavailable, message: 'no connection' });
  assert.equal(recorder.events.length, 1);
});

describe('what a client makes of odd responses', () => {
  const OK_HEADERS = Headers.response(200, 'content-type', 'application/grpc+proto');
  const cases: [string, (handler: StreamHandler) => void, string[]][] = [
    ['503', (h) => h.onHeaders(Headers.response(503), true), ['end 14 HTTP status 503 instead of a gRPC response']],
    [
      '404 with a body',
      (h) => h.onHeaders(Headers.response(404), false),
      ['end 12 HTTP status 404 instead of a gRPC response'],
    ],
    ['503 with a status of gRPC', (h) => h.onHeaders(Headers.response(503, 'grpc-status', '9'), true), ['end 9']],
    [
      'HTML',
      (h) => h.onHeaders(Headers.response(200, 'content-type', 'text/html'), false),
      ['end 2 content-type text/html is not gRPC'],
    ],
    [
      'the end without trailers',
      (h) => {
        h.onHeaders(OK_HEADERS, false);
        h.onData(Buffer.alloc(0), true);
      },
      ['headers', 'end 2 the response ended without a status'],
    ],
    [
      'trailers without a status',
      (h) => {
        h.onHeaders(OK_HEADERS, false);
        h.onTrailers(new Headers());
      },
      ['headers', 'end 2 trailers without grpc-status'],
    ],
    [
      'the end within a message',
      (h) => {
        h.onHeaders(OK_HEADERS, false);
        h.onData(encodeMessage(bytes('abc')).subarray(0, 6), false);
        h.onTrailers(Headers.response(0, 'grpc-status', '0'));
      },
      ['headers', 'end 13 the response ended within a message'],
    ],
    [
      'a compressed message',
      (h) => {
        h.onHeaders(Headers.response(200, 'content-type', 'application/grpc', 'grpc-encoding', 'gzip'), false);
        h.onData(Buffer.from([1, 0, 0, 0, 1, 0]), false);
        h.onData(Buffer.from([1, 0, 0, 0, 1, 0]), true);
      },
      ['headers', 'end 12 compressed messages are not supported'],
    ],
    ['refused', (h) => h.onReset(ResetReason.RemoteRefused, 'x'), ['end 14 remote-refused: x']],
    ['reset', (h) => h.onReset(ResetReason.RemoteReset, ''), ['end 13 remote-reset']],
    ['malformed', (h) => h.onError({ status: 502, details: 'bad' }), ['end 13 bad']],
  ];
  for (const [name, respond, events] of cases) {
    test(name, () => {
      const recorder = new Recorder();
      const one = new GrpcClientCall(REQUEST, recorder);
      let handler: StreamHandler | undefined;
      one.start((h) => {
        handler = h;
        return IDLE;
      });
      respond(handler!);
      assert.deepEqual(recorder.events, events);
    });
  }
});

const IDLE: OutgoingStream = {
  sendInformational() {},
  sendHeaders() {},
  sendData() {},
  sendTrailers() {},
  reset() {},
  pauseReading() {},
  bufferedBytes: 0,
};

describe('what a server makes of odd requests', () => {
  const POST = (...list: string[]) => {
    const headers = Headers.request('POST', '/t.T/M', 'a.b', ...list);
    headers.scheme = 'http';
    return headers;
  };
  const GRPC = ['content-type', 'application/grpc'];

  function respond(send: (stream: OutgoingStream) => void): string[] {
    const pair = connect({ '/t.T/M': echo });
    const events: string[] = [];
    const show = (headers: Headers) =>
      events.push(
        [...headers]
          .map(([name, value]) => `${name}=${value}`)
          .join(' ')
          .replaceAll('content-type', 'ct'),
      );
    const stream = pair.client.newStream({
      onHeaders: show,
      onData: (chunk, end) => end && events.push(`data ${chunk.length}`),
      onTrailers: show,
      onReset: (reason) => events.push(reason),
      onError() {},
      onWriteBackpressure() {},
    });
    send(stream);
    pair.run();
    return events;
  }

  const ct = 'ct=application/grpc';
  const cases: [string, (stream: OutgoingStream) => void, string[]][] = [
    ['another content type', (s) => s.sendHeaders(POST('content-type', 'text/html'), true), [':status=415']],
    ['none', (s) => s.sendHeaders(POST(), true), [':status=415']],
    ['another method', (s) => s.sendHeaders(getRequest(), true), [':status=405']],
    [
      'a bad timeout',
      (s) => s.sendHeaders(POST(...GRPC, 'grpc-timeout', '1x'), true),
      [`:status=200 ${ct} grpc-status=13 grpc-message=malformed grpc-timeout 1x`],
    ],
    [
      'a compressed message',
      (s) => {
        s.sendHeaders(POST(...GRPC, 'grpc-encoding', 'gzip'), false);
        s.sendData(Buffer.from([1, 0, 0, 0, 0]), true);
      },
      [
        `:status=200 ${ct} grpc-status=12 grpc-message=compressed messages are not supported grpc-accept-encoding=identity`,
      ],
    ],
    [
      'the end within a message',
      (s) => {
        s.sendHeaders(POST(...GRPC), false);
        s.sendData(Buffer.from([0, 0, 0, 0, 9, 1]), true);
      },
      [`:status=200 ${ct} grpc-status=13 grpc-message=the request ended within a message`],
    ],
    [
      'trailers of a client',
      (s) => {
        s.sendHeaders(POST(...GRPC), false);
        s.sendData(encodeMessage(bytes('a')), false);
        s.sendTrailers(Headers.response(0, 'x', 'y'));
      },
      [`:status=200 ${ct}`, 'grpc-status=0'],
    ],
  ];
  function getRequest(): Headers {
    const headers = POST(...GRPC);
    headers.method = 'GET';
    return headers;
  }
  for (const [name, send, events] of cases) {
    test(name, () => assert.deepEqual(respond(send), events));
  }
});
