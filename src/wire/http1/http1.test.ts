import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Headers } from '../headers.ts';
import type { OutgoingStream, Output, StreamHandler } from '../http.ts';
import { Http1ClientCodec } from './client.ts';
import { DEFAULT_OPTIONS, type Http1Options } from './head.ts';
import { Http1ServerCodec } from './server.ts';

class Sink implements Output {
  text = '';
  write(chunk: Uint8Array): void {
    this.text += Buffer.from(chunk).toString('latin1');
  }
  writeLatin1(text: string): void {
    this.text += text;
  }
}

const show = (headers: Headers) => [...headers].map(([n, v]) => `${n}=${v}`).join(' ');

/** Writes down what a codec tells its handler, bodies joined, so that the account does not depend on how bytes came. */
class Recorder implements StreamHandler {
  readonly log: string[];
  body = '';
  constructor(log: string[]) {
    this.log = log;
  }
  onInformational(headers: Headers): void {
    this.log.push(`interim ${show(headers)}`);
  }
  onHeaders(headers: Headers, end: boolean): void {
    this.log.push(`headers ${show(headers)}${end ? ' END' : ''}`);
  }
  onData(chunk: Uint8Array, end: boolean): void {
    this.body += Buffer.from(chunk).toString('latin1');
    if (end) this.log.push(`body ${JSON.stringify(this.body)} END`);
  }
  onTrailers(trailers: Headers): void {
    this.log.push(`body ${JSON.stringify(this.body)}`, `trailers ${show(trailers)}`);
  }
  onReset(reason: string): void {
    this.log.push(`reset ${reason}`);
  }
  onError(error: { status: number; details: string }): void {
    this.log.push(`error ${error.status} ${error.details}`);
  }
  onWriteBackpressure(): void {}
}

const options = (over: Partial<Http1Options> = {}): Http1Options => ({ ...DEFAULT_OPTIONS, ...over });

/** Feeds the pieces to a server that answers each request with `ok` as soon as it is whole. */
function serve(pieces: Buffer[], over: Partial<Http1Options> = {}, end = false): { log: string[]; out: string } {
  const log: string[] = [];
  const out = new Sink();
  const codec = new Http1ServerCodec(
    out,
    {
      newStream(stream: OutgoingStream) {
        const answer = () => {
          stream.sendHeaders(Headers.response(200, 'content-length', '2'), false);
          stream.sendData(Buffer.from('ok'), true);
        };
        return new (class extends Recorder {
          override onHeaders(headers: Headers, last: boolean): void {
            super.onHeaders(headers, last);
            if (last) answer();
          }
          override onData(chunk: Uint8Array, last: boolean): void {
            super.onData(chunk, last);
            if (last) answer();
          }
          override onTrailers(trailers: Headers): void {
            super.onTrailers(trailers);
            answer();
          }
          override onError(error: { status: number; details: string }): void {
            super.onError(error);
            stream.sendHeaders(Headers.response(error.status), true);
          }
        })(log);
      },
      onConnectionError: (details) => log.push(`connection error ${details}`),
      onConnectionDone: () => log.push('done'),
    },
    options(over),
  );
  for (const piece of pieces) {
    const copy = Buffer.from(piece);
    codec.receive(copy, 0, copy.length);
    copy.fill(0x21);
  }
  if (end) codec.receiveEnd();
  return { log, out: out.text };
}

/** Every way to cut the bytes in two, and one byte at a time. */
function splits(text: string): Buffer[][] {
  const bytes = Buffer.from(text, 'latin1');
  const all: Buffer[][] = [[bytes], [...bytes].map((b) => Buffer.from([b]))];
  for (let i = 1; i < bytes.length; i++) all.push([bytes.subarray(0, i), bytes.subarray(i)]);
  return all;
}

interface Case {
  name: string;
  bytes: string;
  log: string[];
  options?: Partial<Http1Options>;
  end?: boolean;
}

const H = 'Host: a\r\n';
const get = ':method=GET :path=/ :authority=a';
const post = ':method=POST :path=/ :authority=a';
const POST = `POST / HTTP/1.1\r\n${H}`;
const bad = (details: string, status = 400) => [`error ${status} ${details}`, 'done'];
const CODEC = 'http1.codec_error';

const requests: Case[] = [
  { name: 'plain', bytes: `GET / HTTP/1.1\r\n${H}\r\n`, log: [`headers ${get} END`] },
  { name: 'empty lines before', bytes: `\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`, log: [`headers ${get} END`] },
  {
    name: 'white space around values',
    bytes: `GET / HTTP/1.1\r\n${H}X: \t a b \t\r\nY:\r\nZ_z: \xe4\r\n\r\n`,
    log: [`headers ${get} x=a b y= z_z=\xe4 END`],
  },
  {
    name: 'two on one connection',
    bytes: `GET / HTTP/1.1\r\n${H}\r\nGET /b HTTP/1.1\r\n${H}\r\n`,
    log: [`headers ${get} END`, `headers :method=GET :path=/b :authority=a END`],
  },
  {
    name: 'Connection: close',
    bytes: `GET / HTTP/1.1\r\n${H}Connection: x, Close\r\n\r\nGET /b HTTP/1.1\r\n${H}\r\n`,
    log: [`headers ${get} connection=x, Close END`, 'done'],
  },
  {
    name: 'absolute target wins over Host',
    bytes: `GET http://b.com/x?y HTTP/1.1\r\n${H}\r\n`,
    log: ['headers :method=GET :path=/x?y :authority=b.com :scheme=http END'],
  },
  {
    name: 'absolute target without path',
    bytes: `GET HTTP://b.com?q HTTP/1.1\r\n${H}\r\n`,
    log: ['headers :method=GET :path=/?q :authority=b.com :scheme=http END'],
  },
  {
    name: 'OPTIONS *',
    bytes: `OPTIONS * HTTP/1.1\r\n${H}\r\n`,
    log: ['headers :method=OPTIONS :path=* :authority=a END'],
  },
  {
    name: 'fixed body',
    bytes: `${POST}Content-Length: 3\r\n\r\nabc`,
    log: [`headers ${post} content-length=3`, 'body "abc" END'],
  },
  { name: 'length zero', bytes: `${POST}Content-Length: 0\r\n\r\n`, log: [`headers ${post} content-length=0 END`] },
  {
    name: 'chunked, then another',
    bytes: `${POST}Transfer-Encoding: Chunked\r\n\r\n3;a="b"\r\nabc\r\n0A \r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`,
    log: [`headers ${post} transfer-encoding=Chunked`, 'body "abc0123456789" END', `headers ${get} END`],
  },
  {
    name: 'trailers dropped',
    bytes: `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n`,
    log: [`headers ${post} transfer-encoding=chunked`, 'body "abc" END'],
  },
  {
    name: 'trailers kept',
    bytes: `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\nU: 2\r\n\r\n`,
    options: { enableTrailers: true },
    log: [`headers ${post} transfer-encoding=chunked`, 'body "abc"', 'trailers t=1 u=2'],
  },
  {
    name: 'upgrade: all that follows is data',
    bytes: `GET / HTTP/1.1\r\n${H}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET`,
    end: true,
    log: [`headers ${get} connection=Upgrade upgrade=websocket`, 'reset connection-termination', 'done'],
  },
  {
    name: 'h2c is not taken',
    bytes: `GET / HTTP/1.1\r\n${H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n`,
    log: [`headers ${get} END`],
  },
  {
    name: 'CONNECT',
    bytes: 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nxy',
    end: true,
    log: ['headers :method=CONNECT :authority=a:80', 'reset connection-termination', 'done'],
  },
  {
    name: 'HTTP/1.0 closes',
    bytes: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
    options: { acceptHttp10: true },
    log: [`headers ${get} END`, 'done'],
  },
  {
    name: 'HTTP/1.0 with keep-alive and default host',
    bytes: 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n',
    options: { acceptHttp10: true, defaultHostForHttp10: 'a' },
    log: [`headers ${get} connection=Keep-Alive END`, `headers ${get} END`, 'done'],
  },
  { name: 'HTTP/1.0 refused', bytes: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', log: bad('low_version', 426) },
  { name: 'HTTP/2.0', bytes: `GET / HTTP/2.0\r\n${H}\r\n`, log: bad('low_version', 426) },
  { name: 'no version', bytes: 'GET /\r\n\r\n', log: bad('low_version', 426) },
  { name: 'lower-case version', bytes: `GET / http/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'unknown method', bytes: `BREW / HTTP/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'lower-case method', bytes: `get / HTTP/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'two spaces', bytes: `GET  / HTTP/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'space after version', bytes: `GET / HTTP/1.1 \r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'space in target', bytes: `GET /a b HTTP/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'byte above 127 in target', bytes: `GET /\xe4 HTTP/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'NUL in target', bytes: `GET /\0 HTTP/1.1\r\n${H}\r\n`, log: bad('http1.invalid_characters') },
  { name: 'target without slash', bytes: `GET foo HTTP/1.1\r\n${H}\r\n`, log: bad(CODEC) },
  { name: 'NUL in value', bytes: `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`, log: bad('http1.invalid_characters') },
  { name: 'control in value', bytes: `GET / HTTP/1.1\r\n${H}X: a\x01b\r\n\r\n`, log: bad('http1.invalid_characters') },
  { name: 'bare CR in value', bytes: `GET / HTTP/1.1\r\n${H}X: a\rb\r\n\r\n`, log: bad(CODEC) },
  { name: 'bare LF in value', bytes: `GET / HTTP/1.1\r\n${H}X: 1\nY: 2\r\n\r\n`, log: [] },
  { name: 'bare LF everywhere', bytes: 'GET / HTTP/1.1\nHost: a\n\n', log: bad(CODEC) },
  { name: 'folded line', bytes: `GET / HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n`, log: bad(CODEC) },
  { name: 'space before colon', bytes: `GET / HTTP/1.1\r\n${H}X : a\r\n\r\n`, log: bad(CODEC) },
  { name: 'no colon', bytes: `GET / HTTP/1.1\r\n${H}Xa\r\n\r\n`, log: bad(CODEC) },
  { name: 'empty name', bytes: `GET / HTTP/1.1\r\n${H}: a\r\n\r\n`, log: bad(CODEC) },
  { name: 'name with @', bytes: `GET / HTTP/1.1\r\n${H}X@: a\r\n\r\n`, log: bad(CODEC) },
  { name: 'two Hosts', bytes: `GET / HTTP/1.1\r\n${H}${H}\r\n`, log: bad(CODEC) },
  { name: 'Host with a space', bytes: 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', log: bad(CODEC) },
  { name: 'no Host', bytes: 'GET / HTTP/1.1\r\n\r\n', log: bad('missing_host_header') },
  { name: 'empty Host', bytes: 'GET / HTTP/1.1\r\nHost:\r\n\r\n', log: ['headers :method=GET :path=/ END'] },
  {
    name: 'length and chunked',
    bytes: `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    log: bad('http1.content_length_and_chunked_not_allowed'),
  },
  { name: 'two lengths', bytes: `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, log: bad(CODEC) },
  { name: 'list of lengths', bytes: `${POST}Content-Length: 3, 3\r\n\r\nabc`, log: bad(CODEC) },
  { name: 'signed length', bytes: `${POST}Content-Length: +3\r\n\r\nabc`, log: bad(CODEC) },
  { name: 'huge length', bytes: `${POST}Content-Length: 9999999999999999\r\n\r\nabc`, log: bad(CODEC) },
  {
    name: 'gzip coding',
    bytes: `${POST}Transfer-Encoding: gzip\r\n\r\n`,
    log: bad('http1.invalid_transfer_encoding', 501),
  },
  {
    name: 'chunked twice',
    bytes: `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    log: bad('http1.invalid_transfer_encoding', 501),
  },
  ...[
    '3g\r\nabc\r\n0\r\n\r\n',
    '0x3\r\nabc\r\n',
    '\r\n',
    '3\nabc\n0\n\n',
    '3\r\nabcd\r\n',
    '1000000000000000\r\n',
    '3\r\nabc\rx',
  ].map((chunks) => ({
    name: `bad chunk ${JSON.stringify(chunks)}`,
    bytes: `${POST}Transfer-Encoding: chunked\r\n\r\n${chunks}`,
    log: [`headers ${post} transfer-encoding=chunked`, `error 400 ${CODEC}`, 'done'],
  })),
  { name: 'TLS on a plaintext port', bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', log: bad(CODEC) },
  {
    name: 'too many headers',
    bytes: `GET / HTTP/1.1\r\n${H}${'X: 1\r\n'.repeat(101)}\r\n`,
    log: bad('http1.too_many_headers', 431),
  },
  {
    name: 'head too large',
    bytes: `GET / HTTP/1.1\r\n${H}X: ${'x'.repeat(200)}\r\n\r\n`,
    options: { maxHeadBytes: 100 },
    log: bad('http1.headers_too_large', 431),
  },
  {
    name: 'cut in the head',
    bytes: `GET / HTTP/1.1\r\n${H}`,
    end: true,
    log: ['reset connection-termination', 'done'],
  },
  {
    name: 'cut in the body',
    bytes: `${POST}Content-Length: 3\r\n\r\nab`,
    end: true,
    log: [`headers ${post} content-length=3`, 'reset connection-termination', 'done'],
  },
  { name: 'closed between requests', bytes: '', end: true, log: ['done'] },
];

describe('requests, cut at every point', () => {
  for (const c of requests.filter((r) => r.log.length)) {
    test(c.name, () => {
      for (const pieces of splits(c.bytes)) {
        const { log } = serve(pieces, c.options, c.end);
        assert.deepEqual(log, c.log, `in ${pieces.length} pieces, the first of ${pieces[0]?.length} bytes`);
      }
    });
  }
});

test('a bare line feed inside a head is refused, whole or in pieces', () => {
  const text = requests.find((r) => r.name === 'bare LF in value')!.bytes;
  for (const pieces of splits(text)) {
    const { log, out } = serve(pieces);
    assert.match(log[0], /^error 400 http1\.(codec_error|invalid_characters)$/);
    assert.match(out, /^HTTP\/1\.1 400 Bad Request\r\n/);
  }
});

test('a client that leaves before it is answered is waited for no more', () => {
  for (const [request, expected] of [
    [`GET / HTTP/1.1\r\n${H}\r\n`, ['headers :method=GET :path=/ :authority=a END', 'reset connection-termination']],
    [
      'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n',
      ['headers :method=CONNECT :authority=a:80', 'reset connection-termination'],
    ],
  ] as const) {
    const log: string[] = [];
    let done = false;
    const codec = new Http1ServerCodec(new Sink(), {
      newStream: () => new Recorder(log),
      onConnectionError() {},
      onConnectionDone: () => {
        done = true;
      },
    });
    codec.receive(Buffer.from(request), 0, request.length);
    codec.receiveEnd();
    assert.deepEqual([log, done], [expected, true]);
  }
});

test('a server says that it closes', () => {
  const { out } = serve([Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')]);
  assert.equal(out, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
});

function response(headers: Headers, chunks: string[], request = `GET / HTTP/1.1\r\n${H}\r\n`, over = {}): string {
  const out = new Sink();
  const codec = new Http1ServerCodec(
    out,
    {
      newStream(stream) {
        queueMicrotask(() => {});
        const recorder = new Recorder([]);
        recorder.onHeaders = () => {
          stream.sendHeaders(headers, chunks.length === 0);
          chunks.forEach((c, i) => stream.sendData(Buffer.from(c), i === chunks.length - 1));
        };
        return recorder;
      },
      onConnectionError() {},
      onConnectionDone: () => out.writeLatin1('|closed'),
    },
    options(over),
  );
  const bytes = Buffer.from(request);
  codec.receive(bytes, 0, bytes.length);
  return out.text;
}

test('how a server delimits what it sends', () => {
  const long = 'x'.repeat(5000);
  assert.equal(response(Headers.response(200), []), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  assert.equal(response(Headers.response(204), []), 'HTTP/1.1 204 No Content\r\n\r\n');
  assert.equal(response(Headers.response(304, 'etag', 'x'), []), 'HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n');
  assert.equal(
    response(Headers.response(200), ['ab', '', 'c']),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
  );
  assert.equal(
    response(Headers.response(200), [long, '']),
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n${long}\r\n0\r\n\r\n`,
  );
  assert.equal(
    response(Headers.response(200, 'content-length', '5000'), [long]),
    `HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n${long}`,
  );
  assert.equal(
    response(Headers.response(200, 'content-length', '5'), [], `HEAD / HTTP/1.1\r\n${H}\r\n`),
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n',
  );
  assert.equal(
    response(Headers.response(200), ['ab'], `GET / HTTP/1.0\r\n${H}Connection: keep-alive\r\n\r\n`, {
      acceptHttp10: true,
    }),
    'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nab|closed',
  );
  assert.equal(
    response(
      Headers.response(101, 'upgrade', 'x'),
      ['ab'],
      `GET / HTTP/1.1\r\n${H}Connection: upgrade\r\nUpgrade: x\r\n\r\n`,
    ),
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nab|closed',
  );
  assert.equal(
    response(Headers.response(403), [], `GET / HTTP/1.1\r\n${H}Connection: upgrade\r\nUpgrade: x\r\n\r\n`),
    'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n|closed',
  );
});

test('after an early answer a short body is read and dropped, a long or endless one ends the connection', () => {
  const again = `GET / HTTP/1.1\r\n${H}\r\n`;
  assert.match(
    response(Headers.response(200), [], `${POST}Content-Length: 3\r\n\r\nabc${again}`),
    /^(HTTP\/1\.1 200 .*\r\n){2}$/s,
  );
  assert.match(response(Headers.response(200), [], `${POST}Content-Length: 300000\r\n\r\nabc`), /\|closed$/);
  assert.match(response(Headers.response(200), [], `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\na`), /\|closed$/);
});

interface ResponseCase {
  name: string;
  bytes: string;
  log: string[];
  method?: string;
  end?: boolean;
  upgrade?: boolean;
}

/** Sends one request on a client and feeds it the bytes. */
function ask(c: ResponseCase, pieces: Buffer[]): string[] {
  const log: string[] = [];
  const codec = new Http1ClientCodec(new Sink(), {
    onConnectionError: (details) => log.push(`connection error ${details}`),
    onDrain: () => log.push('drain'),
    onStreamAvailable: () => log.push('available'),
  });
  const stream = codec.newStream(new Recorder(log));
  const headers = Headers.request(c.method ?? 'GET', '/', 'a');
  if (c.upgrade) headers.add('upgrade', 'websocket');
  stream.sendHeaders(headers, !c.upgrade);
  for (const piece of pieces) codec.receive(piece, 0, piece.length);
  if (c.end) codec.receiveEnd();
  return log;
}

const responses: ResponseCase[] = [
  {
    name: 'fixed',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    log: ['headers :status=200 content-length=2', 'body "ok" END', 'available'],
  },
  { name: 'no reason phrase', bytes: 'HTTP/1.1 204\r\n\r\n', log: ['headers :status=204 END', 'available'] },
  {
    name: 'HEAD',
    method: 'HEAD',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n',
    log: ['headers :status=200 content-length=2 END', 'available'],
  },
  {
    name: '304 with length',
    bytes: 'HTTP/1.1 304 x\r\nContent-Length: 2\r\n\r\n',
    log: ['headers :status=304 content-length=2 END', 'available'],
  },
  {
    name: 'interim first',
    bytes: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    log: ['interim :status=100', 'interim :status=103 link=y', 'headers :status=200 content-length=0 END', 'available'],
  },
  {
    name: 'chunked',
    bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    log: ['headers :status=200 transfer-encoding=chunked', 'body "ok" END', 'available'],
  },
  {
    name: 'until close',
    bytes: 'HTTP/1.1 200 OK\r\n\r\nok',
    end: true,
    log: ['headers :status=200', 'body "ok" END', 'drain'],
  },
  {
    name: 'close',
    bytes: 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    log: ['headers :status=200 connection=close content-length=2', 'body "ok" END', 'drain'],
  },
  {
    name: 'HTTP/1.0 closes',
    bytes: 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    log: ['headers :status=200 content-length=2', 'body "ok" END', 'drain'],
  },
  {
    name: 'switching protocols',
    upgrade: true,
    bytes: 'HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\nraw',
    end: true,
    log: ['headers :status=101 upgrade=websocket', 'body "raw" END', 'drain'],
  },
  {
    name: 'switching protocols unasked',
    bytes: 'HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n',
    log: ['error 502 http1.unexpected_switching_protocols', 'connection error http1.unexpected_switching_protocols'],
  },
  {
    name: 'garbage',
    bytes: 'SSH-2.0-x\r\n\r\n',
    log: ['error 400 http1.codec_error', 'connection error http1.codec_error'],
  },
  {
    name: 'length and chunked',
    bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n',
    log: [
      'error 502 http1.content_length_and_chunked_not_allowed',
      'connection error http1.content_length_and_chunked_not_allowed',
    ],
  },
  {
    name: 'cut',
    bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab',
    end: true,
    log: ['headers :status=200 content-length=3', 'reset connection-termination', 'drain'],
  },
];

describe('responses, cut at every point', () => {
  for (const c of responses) {
    test(c.name, () => {
      for (const pieces of splits(c.bytes)) assert.deepEqual(ask(c, pieces), c.log, `first piece ${pieces[0].length}`);
    });
  }
});

test('bytes that nobody asked for end a client connection', () => {
  const log = ask(
    { name: '', bytes: '', log: [] },
    splits('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n')[0],
  );
  assert.equal(log.at(-1), 'connection error http1.unsolicited_response');
});

test('nobody is given a connection on which there is more than an answer', () => {
  // The answer to HEAD has no body; what follows must not become the answer to the next request.
  const offered: string[] = [];
  const codec: Http1ClientCodec = new Http1ClientCodec(new Sink(), {
    onConnectionError: (details) => offered.push(`error ${details}`),
    onDrain: () => offered.push('drain'),
    onStreamAvailable: () => offered.push(`available ${codec.canOpen}`),
  });
  const log: string[] = [];
  codec.newStream(new Recorder(log)).sendHeaders(Headers.request('HEAD', '/', 'a'), true);
  const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\n');
  codec.receive(answer, 0, answer.length);
  assert.deepEqual(offered, ['error http1.unsolicited_response']);
  assert.equal(codec.canOpen, false);
  assert.equal(log.length, 1, 'the answer itself has come');
});

test('requests as they leave', () => {
  const sent = (headers: Headers, chunks: string[], over: Partial<Http1Options> = {}) => {
    const out = new Sink();
    const codec = new Http1ClientCodec(
      out,
      { onConnectionError() {}, onDrain() {}, onStreamAvailable() {} },
      options(over),
    );
    const stream = codec.newStream(new Recorder([]));
    stream.sendHeaders(headers, chunks.length === 0);
    chunks.forEach((c, i) => stream.sendData(Buffer.from(c), i === chunks.length - 1));
    return out.text;
  };
  assert.equal(sent(Headers.request('GET', '/x', 'a', 'b', 'c'), []), 'GET /x HTTP/1.1\r\nhost: a\r\nb: c\r\n\r\n');
  assert.equal(sent(Headers.request('POST', '/', 'a'), []), 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n');
  assert.equal(sent(Headers.request('DELETE', '/', 'a'), []), 'DELETE / HTTP/1.1\r\nhost: a\r\n\r\n');
  assert.equal(
    sent(Headers.request('POST', '/', 'a', 'content-length', '2'), ['ab']),
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab',
  );
  assert.equal(
    sent(Headers.request('POST', '/', 'a'), ['ab']),
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  );
  assert.equal(
    sent(Headers.request('GET', '/', 'a', 'x-request-id', '1'), [], { properCase: true }),
    'GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: 1\r\n\r\n',
  );
});

test('the spelling of names is kept where asked', () => {
  const out = new Sink();
  let seen: Headers | undefined;
  const codec = new Http1ServerCodec(
    out,
    {
      newStream: () => Object.assign(new Recorder([]), { onHeaders: (h: Headers) => (seen = h) }),
      onConnectionError() {},
      onConnectionDone() {},
    },
    options({ preserveCase: true }),
  );
  const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nX-FOO: 1\r\nsoap-Action: 2\r\n\r\n');
  codec.receive(bytes, 0, bytes.length);
  const client = new Http1ClientCodec(
    out,
    { onConnectionError() {}, onDrain() {}, onStreamAvailable() {} },
    options({ preserveCase: true }),
  );
  seen!.remove('x-foo');
  seen!.add('x-new', '3');
  client.newStream(new Recorder([])).sendHeaders(seen!, true);
  assert.equal(out.text, 'GET / HTTP/1.1\r\nHost: a\r\nsoap-Action: 2\r\nx-new: 3\r\n\r\n');
});
