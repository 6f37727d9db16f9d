/**
 * What HTTP/2 costs us without sockets: nanoseconds per request for reading a request and writing its response as a
 * proxy's downstream does, and for writing the request and reading the response as its upstream does.
 *
 * Run: node bench/wire-http2.ts [seconds per case]
 */
import { Headers } from '../src/wire/headers.ts';
import { ByteBuffer } from '../src/wire/hpack/byte-buffer.ts';
import { HpackEncoder } from '../src/wire/hpack/encoder.ts';
import type { Codec, OutgoingStream, Output, StreamHandler } from '../src/wire/http.ts';
import { Http2ClientCodec } from '../src/wire/http2/client.ts';
import { DEFAULT_OPTIONS } from '../src/wire/http2/options.ts';
import { Http2ServerCodec } from '../src/wire/http2/server.ts';

const SECONDS = Number(process.argv[2] ?? 1);
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** Throws away what it gets, but lets it be counted and looked at. */
class Sink implements Output {
  bytes = 0;
  keep: Buffer[] | undefined = undefined;

  write(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.keep?.push(Buffer.from(chunk));
  }

  writeLatin1(text: string): void {
    this.bytes += text.length;
    this.keep?.push(Buffer.from(text, 'latin1'));
  }
}

function frame(type: number, flags: number, id: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(id, 5);
  return Buffer.concat([header, payload]);
}

const SETTINGS = frame(4, 0, 0, Buffer.alloc(0));
const REFILL_EVERY = 1000;

/** Gives back the connection's window for so many bodies, as a peer that reads would. */
function refill(body: Uint8Array | undefined): Buffer {
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(Math.max(1, (body?.length ?? 0) * REFILL_EVERY));
  return frame(8, 0, 0, increment);
}

interface Shape {
  readonly name: string;
  readonly request: (i: number) => Headers;
  readonly response: (i: number) => Headers;
  readonly requestBody: Uint8Array | undefined;
  readonly responseBody: Uint8Array;
}

function curl(i: number, path: string, ...more: string[]): Headers {
  const headers = Headers.request('GET', path, 'productpage.default.svc.cluster.local:9080');
  headers.scheme = 'http';
  headers.add('user-agent', 'curl/8.5.0');
  headers.add('accept', '*/*');
  for (let k = 0; k < more.length; k += 2) headers.add(more[k], more[k + 1]);
  if (more.length > 0) headers.add('x-request-id', `5fbeb07d-f33f-45ec-a0fe-${100000000000 + i}`);
  return headers;
}

const MESH = [
  'x-forwarded-proto',
  'http',
  'x-envoy-attempt-count',
  '1',
  'x-envoy-peer-metadata-id',
  'sidecar~10.1.2.3~productpage-v1-7d6b9b9f9-abcde.default~default.svc.cluster.local',
  'x-forwarded-client-cert',
  'By=spiffe://cluster.local/ns/default/sa/reviews;Hash=abc;Subject="";URI=spiffe://cluster.local/ns/default/sa/page',
];

const small = Buffer.from('hello');
const SHAPES: Shape[] = [
  {
    name: 'the same small GET',
    request: (i) => curl(i, '/'),
    response: () => Headers.response(200, 'content-type', 'text/plain', 'content-length', '5', 'server', 'envoy'),
    requestBody: undefined,
    responseBody: small,
  },
  {
    name: 'GET in a mesh, changing path and ids',
    request: (i) => curl(i, `/api/v1/products/${i % 1000}?page=2`, ...MESH),
    response: (i) =>
      Headers.response(
        200,
        'content-type',
        'application/json',
        'content-length',
        '220',
        'date',
        'Mon, 21 Oct 2013 20:13:22 GMT',
        'server',
        'istio-envoy',
        'x-envoy-upstream-service-time',
        String(i % 20),
      ),
    requestBody: undefined,
    responseBody: Buffer.alloc(220, 0x61),
  },
  {
    name: 'POST of 1 KiB, 16 KiB back',
    request: (i) => curl(i, '/upload'),
    response: () => Headers.response(200, 'content-type', 'application/octet-stream'),
    requestBody: Buffer.alloc(1024, 0x61),
    responseBody: Buffer.alloc(16384, 0x61),
  },
];

/** The HEADERS frames of many requests, or responses, as a peer would send them. */
function record(encode: (i: number) => Headers, end: boolean, count: number): Buffer[] {
  const encoder = new HpackEncoder();
  const out = new ByteBuffer(4096);
  const frames: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    out.length = 0;
    encoder.encode(encode(i), out);
    frames.push(frame(1, end ? 5 : 4, 2 * i + 1, out.bytes.subarray(0, out.length)));
  }
  return frames;
}

/** Puts a message together in a buffer that is used again, as a socket's would be. */
class Wire {
  readonly #bytes: Buffer;
  readonly #body: Buffer | undefined;

  constructor(body: Uint8Array | undefined) {
    this.#bytes = Buffer.alloc(65536);
    this.#body = body === undefined ? undefined : frame(0, 1, 0, body);
  }

  deliver(headers: Buffer, id: number, to: Codec): void {
    let end = headers.copy(this.#bytes, 0);
    if (this.#body !== undefined) {
      const start = end;
      end += this.#body.copy(this.#bytes, start);
      this.#bytes.writeUInt32BE(id, start + 5);
    }
    to.receive(this.#bytes, 0, end);
  }
}

function measure(name: string, run: (count: number) => void): void {
  const BATCH = 20_000;
  for (let i = 0; i < 3; i++) run(BATCH);
  let best = Number.POSITIVE_INFINITY;
  const until = process.hrtime.bigint() + BigInt(Math.round(SECONDS * 1e9));
  while (process.hrtime.bigint() < until) {
    const start = process.hrtime.bigint();
    run(BATCH);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / BATCH);
  }
  console.log(`${name.padEnd(64)} ${best.toFixed(0).padStart(6)} ns`);
}

const nothing = () => {};

function answering(stream: OutgoingStream, shape: Shape, next: () => number): StreamHandler {
  const answer = () => {
    stream.sendHeaders(shape.response(next()), false);
    stream.sendData(shape.responseBody, true);
  };
  return {
    onHeaders: (_headers, end) => end && answer(),
    onData: (_chunk, end) => end && answer(),
    onTrailers: nothing,
    onReset: nothing,
    onError: nothing,
    onWriteBackpressure: nothing,
  };
}

function server(shape: Shape): void {
  const requests = record(shape.request, shape.requestBody === undefined, 20_000);
  const wire = new Wire(shape.requestBody);
  measure(`server: ${shape.name}`, (count) => {
    let i = 0;
    const callbacks = {
      newStream: (stream: OutgoingStream) => answering(stream, shape, () => i),
      onConnectionError: (details: string) => {
        throw new Error(details);
      },
      onConnectionDone: nothing,
    };
    const codec = new Http2ServerCodec(new Sink(), callbacks, DEFAULT_OPTIONS);
    const window = refill(shape.responseBody);
    const hello = Buffer.concat([Buffer.from(PREFACE), SETTINGS]);
    codec.receive(hello, 0, hello.length);
    for (i = 0; i < count; i++) {
      if (i % REFILL_EVERY === 0) codec.receive(window, 0, window.length);
      wire.deliver(requests[i], 2 * i + 1, codec);
    }
  });
}

function client(shape: Shape): void {
  const responses = record(shape.response, false, 20_000);
  const wire = new Wire(shape.responseBody);
  const handler: StreamHandler = {
    onHeaders: nothing,
    onData: nothing,
    onTrailers: nothing,
    onReset: nothing,
    onError: nothing,
    onWriteBackpressure: nothing,
  };
  measure(`client: ${shape.name}`, (count) => {
    const callbacks = {
      onConnectionError: (details: string) => {
        throw new Error(details);
      },
      onDrain: nothing,
      onStreamAvailable: nothing,
    };
    const codec = new Http2ClientCodec(new Sink(), callbacks, DEFAULT_OPTIONS);
    const window = refill(shape.requestBody);
    codec.receive(SETTINGS, 0, SETTINGS.length);
    for (let i = 0; i < count; i++) {
      if (i % REFILL_EVERY === 0) codec.receive(window, 0, window.length);
      const stream = codec.newStream(handler);
      stream.sendHeaders(shape.request(i), shape.requestBody === undefined);
      if (shape.requestBody !== undefined) stream.sendData(shape.requestBody, true);
      wire.deliver(responses[i], 2 * i + 1, codec);
    }
  });
}

for (const shape of SHAPES) {
  server(shape);
  client(shape);
}
