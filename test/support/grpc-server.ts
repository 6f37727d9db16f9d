import net from 'node:net';
import { GrpcClientCall } from '../../src/wire/grpc/client.ts';
import { GrpcServer } from '../../src/wire/grpc/server.ts';
import type { GrpcStatus } from '../../src/wire/grpc/transport.ts';
import { Http2ClientCodec } from '../../src/wire/http2/client.ts';
import { Http2ServerCodec } from '../../src/wire/http2/server.ts';
import { attach, listen, SocketOutput } from './codec-socket.ts';
import { TEST_SERVICE } from './grpc-testing.ts';

interface TestContext {
  after(fn: () => void): void;
}

/** Serves gRPC's test service in plaintext until the test is over; returns the port. */
export async function grpcTestServer(t: TestContext): Promise<number> {
  const grpc = new GrpcServer(TEST_SERVICE);
  const server = net.createServer((socket) => {
    const output = new SocketOutput(socket);
    socket.on('error', () => {});
    attach(
      socket,
      new Http2ServerCodec(output, {
        newStream: grpc.newStream.bind(grpc),
        onConnectionError: () => output.end(),
        onConnectionDone: () => output.end(),
      }),
    );
  });
  t.after(() => server.close());
  return await listen(server);
}

/** A call of the test service that is under way. */
export interface TestCall {
  readonly call: GrpcClientCall;
  readonly messages: readonly Uint8Array[];
  readonly status: Promise<GrpcStatus>;
}

/** Calls a method of the test service over a connection of its own. */
export function callTestService(t: TestContext, port: number, method: string): TestCall {
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  const output = new SocketOutput(socket);
  const codec = new Http2ClientCodec(output, { onConnectionError() {}, onDrain() {}, onStreamAvailable() {} });
  attach(socket, codec);
  const messages: Uint8Array[] = [];
  const { promise, resolve } = Promise.withResolvers<GrpcStatus>();
  const call = new GrpcClientCall(
    { path: `/grpc.testing.TestService/${method}`, authority: 'web', scheme: 'http', metadata: [], timeout: 30_000 },
    {
      onMessage: (message) => messages.push(message),
      onEnd: (status) => {
        resolve(status);
        socket.end();
      },
    },
  );
  call.start((handler) => codec.newStream(handler));
  return { call, messages, status: promise };
}
