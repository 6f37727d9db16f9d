import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { GrpcClientCall, type GrpcRequest } from '../../src/wire/grpc/client.ts';
import { GrpcServer } from '../../src/wire/grpc/server.ts';
import { GrpcCode, type GrpcStatus } from '../../src/wire/grpc/transport.ts';
import type { Headers } from '../../src/wire/headers.ts';
import { Http2ClientCodec } from '../../src/wire/http2/client.ts';
import { Http2ServerCodec } from '../../src/wire/http2/server.ts';
import { attach, listen, SocketOutput } from '../support/codec-socket.ts';
import {
  aggregatedSize,
  echoStatus,
  encodeFields,
  INTEROP_CASES,
  payload,
  payloadSize,
  simpleRequest,
  streamingOutputRequest,
  TEST_SERVICE,
} from '../support/grpc-testing.ts';

const bin = process.env.REFERENCE_BIN;
const skip =
  bin === undefined ? 'REFERENCE_BIN is not set: the gRPC interoperability programs are looked for there' : false;

describe("our server, gRPC's own client", { skip }, () => {
  for (const name of INTEROP_CASES) {
    test(name, async (t) => {
      const grpc = new GrpcServer(TEST_SERVICE);
      const errors: string[] = [];
      const server = net.createServer((socket) => {
        const output = new SocketOutput(socket);
        const callbacks = {
          newStream: grpc.newStream.bind(grpc),
          onConnectionError: (details: string) => {
            errors.push(details);
            output.end();
          },
          onConnectionDone: () => output.end(),
        };
        attach(socket, new Http2ServerCodec(output, callbacks));
      });
      t.after(() => server.close());
      const port = await listen(server);
      const args = ['-server_host', '127.0.0.1', '-server_port', String(port), '-test_case', name];
      const result = await new Promise<string>((resolve) => {
        execFile(path.join(bin ?? '', 'grpc-interop-client'), args, (error, stdout, stderr) => {
          resolve(error ? `${error.message}${stdout}${stderr}` : '');
        });
      });
      assert.equal(result, '');
      assert.deepEqual(errors, []);
    });
  }
});

describe("our client, gRPC's own server", { skip }, () => {
  async function connect(t: { after(fn: () => void): void }): Promise<Http2ClientCodec> {
    const placeholder = net.createServer();
    const port = await listen(placeholder);
    await new Promise((resolve) => placeholder.close(resolve));
    const server = spawn(path.join(bin ?? '', 'grpc-interop-server'), ['-port', String(port)], { stdio: 'ignore' });
    t.after(() => server.kill());
    let socket: net.Socket | undefined;
    while (socket === undefined) {
      assert.equal(server.exitCode, null);
      const attempt = net.connect(port, '127.0.0.1');
      socket = await Promise.race([
        once(attempt, 'connect').then(() => attempt),
        once(attempt, 'close').then(() => undefined),
      ]).catch(() => undefined);
    }
    const connected = socket;
    t.after(() => connected.destroy());
    const output = new SocketOutput(connected);
    const codec = new Http2ClientCodec(output, {
      onConnectionError: (details) => assert.fail(details),
      onDrain() {},
      onStreamAvailable() {},
    });
    attach(connected, codec);
    return codec;
  }

  interface Result {
    status: GrpcStatus;
    headers: Headers | undefined;
    trailers: Headers | undefined;
    messages: Uint8Array[];
  }

  /** Makes a call; `next` is asked for what to send after each message. */
  function call(
    codec: Http2ClientCodec,
    method: string,
    first: Uint8Array[],
    options: { next?: (call: GrpcClientCall, received: number) => void; metadata?: GrpcRequest['metadata'] } = {},
  ): Promise<Result> {
    return new Promise((resolve) => {
      const messages: Uint8Array[] = [];
      let headers: Headers | undefined;
      const request: GrpcRequest = {
        path: method.startsWith('/') ? method : `/grpc.testing.TestService/${method}`,
        authority: 'localhost',
        scheme: 'http',
        metadata: options.metadata ?? [],
        timeout: 30_000,
      };
      const one = new GrpcClientCall(request, {
        onHeaders: (h) => (headers = h),
        onMessage(message) {
          messages.push(message);
          options.next?.(one, messages.length);
        },
        onEnd: (status, trailers) => resolve({ status, headers, trailers, messages }),
      });
      one.start((handler) => codec.newStream(handler));
      for (const message of first) one.send(message);
      if (options.next === undefined) one.end();
    });
  }

  test('every kind of call', async (t) => {
    const codec = await connect(t);
    const empty = await call(codec, 'EmptyCall', [Buffer.alloc(0)]);
    assert.deepEqual([empty.status.code, empty.messages.map((m) => m.length)], [0, [0]]);

    const large = await call(codec, 'UnaryCall', [simpleRequest(314_159, 271_828)]);
    assert.deepEqual(
      large.messages.map((m) => payloadSize(m, 1)),
      [314_159],
    );

    const sizes = [27_182, 8, 1828, 45_904];
    const input = await call(
      codec,
      'StreamingInputCall',
      sizes.map((size) => encodeFields([1, payload(size)])),
    );
    assert.deepEqual(input.messages.map(aggregatedSize), [74_922]);

    const output = await call(codec, 'StreamingOutputCall', [streamingOutputRequest([31_415, 9, 2653, 58_979], 1)]);
    assert.deepEqual(
      output.messages.map((m) => payloadSize(m, 1)),
      [31_415, 9, 2653, 58_979],
    );

    const turns = [31_415, 9, 2653, 58_979];
    const duplex = await call(codec, 'FullDuplexCall', [streamingOutputRequest([turns[0]], sizes[0])], {
      next(one, received) {
        if (received < turns.length) one.send(streamingOutputRequest([turns[received]], sizes[received]));
        else one.end();
      },
    });
    assert.equal(duplex.status.code, GrpcCode.Ok);
    assert.deepEqual(
      duplex.messages.map((m) => payloadSize(m, 1)),
      turns,
    );
    assert.equal(codec.activeStreams, 0);
  });

  test('statuses and metadata', async (t) => {
    const codec = await connect(t);
    const text = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
    const failed = await call(codec, 'UnaryCall', [echoStatus(2, text)]);
    assert.deepEqual(failed.status, { code: 2, message: text });
    const unknown = await call(codec, '/grpc.testing.UnimplementedService/UnimplementedCall', [Buffer.alloc(0)]);
    assert.equal(unknown.status.code, GrpcCode.Unimplemented);
    const metadata = [
      ['x-grpc-test-echo-initial', 'test_initial_metadata_value'],
      ['x-grpc-test-echo-trailing-bin', 'q6ur'],
    ] as const;
    const echoed = await call(codec, 'UnaryCall', [simpleRequest(1, 1)], { metadata });
    assert.equal(echoed.headers?.get('x-grpc-test-echo-initial'), 'test_initial_metadata_value');
    assert.equal(echoed.trailers?.get('x-grpc-test-echo-trailing-bin'), 'q6ur');
  });

  test('many calls on one connection', async (t) => {
    const codec = await connect(t);
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => call(codec, 'UnaryCall', [simpleRequest(i * 1000, 100_000)])),
    );
    for (const [i, { messages }] of results.entries()) assert.equal(payloadSize(messages[0], 1), i * 1000);
  });
});
