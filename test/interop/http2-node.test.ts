import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { describe, test } from 'node:test';
import { Headers } from '../../src/wire/headers.ts';
import type { OutgoingStream, StreamHandler } from '../../src/wire/http.ts';
import { ResetReason } from '../../src/wire/http.ts';
import { Http2ClientCodec } from '../../src/wire/http2/client.ts';
import { DEFAULT_OPTIONS, type Http2Options } from '../../src/wire/http2/options.ts';
import { Http2ServerCodec } from '../../src/wire/http2/server.ts';
import { attach, listen, SocketOutput } from '../support/codec-socket.ts';

/** A body that cannot be mistaken for a shifted one. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8)) & 255;
  return bytes;
}

const NARROW: Partial<Http2Options> = {
  initialStreamWindowSize: 65535,
  initialConnectionWindowSize: 65535,
  streamBufferLimit: 32768,
};

/** Sends a body in pieces of 20,000 octets, as long as it is not told to stop. */
class Pump {
  readonly #stream: OutgoingStream;
  readonly #body: Buffer;
  #at = 0;
  #stopped = false;
  stops = 0;

  constructor(stream: OutgoingStream, body: Buffer) {
    this.#stream = stream;
    this.#body = body;
  }

  stop(high: boolean): void {
    this.#stopped = high;
    if (high) this.stops++;
    else this.go();
  }

  go(): void {
    while (!this.#stopped && this.#at < this.#body.length) {
      const end = Math.min(this.#at + 20_000, this.#body.length);
      const chunk = this.#body.subarray(this.#at, end);
      this.#at = end;
      this.#stream.sendData(chunk, end === this.#body.length);
    }
  }
}

describe('our server, the client of node:http2', () => {
  /** Echoes the request's body, with back-pressure, and repeats a header. */
  function echo(stream: OutgoingStream): StreamHandler {
    let body = Buffer.alloc(0);
    let pump: Pump | undefined;
    const answer = (trailers: Headers | undefined) => {
      const headers = Headers.response(200, 'x-length', String(body.length));
      if (trailers) headers.add('x-trailer', trailers.get('x-sum') ?? '');
      stream.sendHeaders(headers, body.length === 0);
      pump = new Pump(stream, body);
      pump.go();
    };
    return {
      onHeaders(headers, end) {
        if (headers.path === '/early') {
          stream.sendInformational(Headers.response(103, 'link', '</style.css>'));
          stream.sendHeaders(Headers.response(413), true);
        } else if (end) {
          answer(undefined);
        }
      },
      onData(chunk, end) {
        body = Buffer.concat([body, chunk]);
        if (end) answer(undefined);
      },
      onTrailers: answer,
      onReset() {},
      onError() {},
      onWriteBackpressure: (high) => pump?.stop(high),
    };
  }

  async function start(t: { after(fn: () => void): void }, options: Partial<Http2Options>) {
    const codecs: Http2ServerCodec[] = [];
    const server = net.createServer((socket) => {
      const output = new SocketOutput(socket);
      const callbacks = {
        newStream: echo,
        onConnectionError: () => output.end(),
        onConnectionDone: () => output.end(),
      };
      const codec = new Http2ServerCodec(output, callbacks, { ...DEFAULT_OPTIONS, ...options });
      codecs.push(codec);
      attach(socket, codec);
    });
    const port = await listen(server);
    const session = http2.connect(`http://127.0.0.1:${port}`);
    t.after(() => {
      session.destroy();
      server.close();
    });
    return { session, codecs };
  }

  async function request(
    session: http2.ClientHttp2Session,
    headers: http2.OutgoingHttpHeaders,
    body?: Buffer,
    trailers?: http2.OutgoingHttpHeaders,
  ) {
    const stream = session.request(headers, { endStream: body === undefined, waitForTrailers: trailers !== undefined });
    if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (body !== undefined) stream.end(body);
    const [response] = await once(stream, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return { response: response as http2.IncomingHttpHeaders, body: Buffer.concat(chunks) };
  }

  for (const [name, options] of [
    ['default', {}],
    ['narrow', NARROW],
    ['no header tables', { hpackTableSize: 0 }],
  ] as const) {
    test(`bodies of every size at once, ${name} settings`, async (t) => {
      const { session } = await start(t, options);
      const sizes = [0, 1, 16383, 16384, 16385, 65535, 65536, 300_000, 1_000_000];
      const results = await Promise.all(
        sizes.map((size) => request(session, { ':method': 'POST', ':path': `/${size}` }, pattern(size))),
      );
      for (const [i, { response, body }] of results.entries()) {
        assert.equal(response[':status'], 200);
        assert.equal(response['x-length'], String(sizes[i]));
        assert.ok(body.equals(pattern(sizes[i])));
      }
    });
  }

  test('many requests one after another, trailers, informational responses', async (t) => {
    const { session } = await start(t, {});
    for (let i = 0; i < 200; i++) {
      const { response } = await request(session, { ':path': `/${i % 3}`, 'x-id': String(i), cookie: `a=${i}` });
      assert.equal(response[':status'], 200);
    }
    const { response } = await request(session, { ':method': 'POST' }, pattern(10), { 'x-sum': '42' });
    assert.equal(response['x-trailer'], '42');
    const early = session.request({ ':path': '/early' });
    const [informational] = await once(early, 'headers');
    assert.equal(informational[':status'], 103);
    early.close();
  });

  test('graceful end', async (t) => {
    const { session, codecs } = await start(t, {});
    await request(session, {});
    const goaway = once(session, 'goaway');
    codecs[0].drain();
    codecs[0].goAway();
    assert.equal((await goaway)[0], 0);
    if (!session.closed) await once(session, 'close');
  });
});

describe('our client, the server of node:http2', () => {
  async function start(
    t: { after(fn: () => void): void },
    options: Partial<Http2Options>,
    onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
    settings: http2.Settings = {},
  ) {
    const server = http2.createServer({ settings });
    server.on('stream', onStream);
    server.on('sessionError', () => {});
    const port = await listen(server as unknown as net.Server);
    const socket = net.connect(port, '127.0.0.1');
    const output = new SocketOutput(socket);
    const events: string[] = [];
    let available = () => {};
    let drained = () => {};
    const whenDrained = new Promise<void>((resolve) => (drained = resolve));
    const codec = new Http2ClientCodec(
      output,
      {
        onConnectionError: (details) => events.push(`error ${details}`),
        onDrain: drained,
        onStreamAvailable: () => available(),
      },
      { ...DEFAULT_OPTIONS, ...options },
    );
    attach(socket, codec);
    t.after(() => {
      socket.destroy();
      server.close();
    });
    const whenAvailable = async () => {
      while (!codec.canOpen) await new Promise<void>((resolve) => (available = resolve));
    };
    return { codec, events, whenAvailable, whenDrained };
  }

  interface Answer {
    headers: Headers;
    informational: Headers[];
    body: Buffer;
    trailers: Headers | undefined;
    stops: number;
  }

  function send(codec: Http2ClientCodec, request: Headers, body: Buffer | undefined, slow = false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const answer: Answer = {
        headers: request,
        informational: [],
        body: Buffer.alloc(0),
        trailers: undefined,
        stops: 0,
      };
      let pump: Pump | undefined;
      const finish = (end: boolean) => {
        if (!end) return;
        answer.stops = pump?.stops ?? 0;
        resolve(answer);
      };
      const stream = codec.newStream({
        onInformational: (headers) => answer.informational.push(headers),
        onHeaders(headers, end) {
          answer.headers = headers;
          finish(end);
        },
        onData(chunk, end) {
          answer.body = Buffer.concat([answer.body, chunk]);
          if (slow) {
            stream.pauseReading(true);
            setImmediate(() => stream.pauseReading(false));
          }
          finish(end);
        },
        onTrailers(trailers) {
          answer.trailers = trailers;
          finish(true);
        },
        onReset: (reason, details) => reject(new Error(`${reason} ${details}`)),
        onError: (error) => reject(new Error(error.details)),
        onWriteBackpressure: (high) => pump?.stop(high),
      });
      request.scheme = 'http';
      stream.sendHeaders(request, body === undefined);
      if (body !== undefined) {
        pump = new Pump(stream, body);
        pump.go();
      }
    });
  }

  for (const [name, options] of [
    ['default', {}],
    ['narrow', NARROW],
  ] as const) {
    test(`bodies of every size at once, ${name} settings, slow readers`, async (t) => {
      const { codec } = await start(t, options, (stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      });
      const sizes = [1, 16384, 65535, 65536, 300_000, 1_000_000];
      const answers = await Promise.all(
        sizes.map((size, i) => send(codec, Headers.request('POST', `/${size}`, 'a.b'), pattern(size), i % 2 === 0)),
      );
      for (const [i, answer] of answers.entries()) assert.ok(answer.body.equals(pattern(sizes[i])));
      if (options.streamBufferLimit) assert.ok(answers.at(-1)!.stops > 0);
      assert.equal(codec.activeStreams, 0);
    });
  }

  test('headers, interim responses and trailers; HEAD', async (t) => {
    const { codec } = await start(t, {}, (stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 201, 'x-echo': headers['x-in'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
      stream.end('body');
    });
    for (let i = 0; i < 50; i++) {
      const answer = await send(codec, Headers.request('GET', '/', 'a.b', 'x-in', `v${i % 4}`), undefined);
      assert.equal(answer.headers.status, 201);
      assert.equal(answer.headers.get('x-echo'), `v${i % 4}`);
      assert.equal(answer.informational[0].get('link'), '</a>');
      assert.equal(answer.body.toString(), 'body');
      assert.equal(answer.trailers?.get('x-sum'), '7');
    }
  });

  test('no more streams at once than the server allows', async (t) => {
    const open: http2.ServerHttp2Stream[] = [];
    let most = 0;
    const { codec, whenAvailable } = await start(
      t,
      {},
      (stream) => {
        most = Math.max(most, open.push(stream));
        if (open.length < 3) return;
        for (const one of open.splice(0)) one.respond({ ':status': 200 }, { endStream: true });
      },
      { maxConcurrentStreams: 3 },
    );
    await new Promise<void>((resolve) => codec.ping(resolve));
    const answers: Promise<Answer>[] = [];
    for (let i = 0; i < 21; i++) {
      await whenAvailable();
      answers.push(send(codec, Headers.request('GET', '/', 'a.b'), undefined));
      assert.ok(codec.activeStreams <= 3);
    }
    for (const answer of await Promise.all(answers)) assert.equal(answer.headers.status, 200);
    assert.equal(most, 3);
  });

  test('PING, resets in both directions, GOAWAY', async (t) => {
    const sessions: http2.Http2Session[] = [];
    let closed = () => {};
    const { codec, events, whenDrained } = await start(t, {}, (stream, headers) => {
      stream.on('error', () => {});
      if (headers[':path'] === '/refuse') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      else stream.on('aborted', () => closed());
      if (stream.session) sessions.push(stream.session);
    });
    await new Promise<void>((resolve) => codec.ping(resolve));
    await assert.rejects(send(codec, Headers.request('GET', '/refuse', 'a.b'), undefined), /remote-refused/);
    const gone = new Promise<void>((resolve) => (closed = resolve));
    const stream = codec.newStream({
      onHeaders() {},
      onData() {},
      onTrailers() {},
      onReset() {},
      onError() {},
      onWriteBackpressure() {},
    });
    const request = Headers.request('GET', '/', 'a.b');
    request.scheme = 'http';
    stream.sendHeaders(request, true);
    await new Promise<void>((resolve) => codec.ping(resolve));
    stream.reset(ResetReason.LocalReset);
    await gone;
    sessions[0].goaway();
    await whenDrained;
    assert.deepEqual(events, []);
    assert.equal(codec.canOpen, false);
  });
});
