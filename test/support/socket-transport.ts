import net from 'node:net';
import { GrpcClientCall } from '../../src/wire/grpc/client.ts';
import { type GrpcCall, type GrpcCallHandler, GrpcCode, type GrpcTransport } from '../../src/wire/grpc/transport.ts';
import { Http2ClientCodec } from '../../src/wire/http2/client.ts';
import { attach, SocketOutput } from './codec-socket.ts';

/** gRPC over a plain socket to one address, with a new connection for every call: enough for a discovery client. */
export class SocketTransport implements GrpcTransport {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<net.Socket>();

  /** `IP:PORT`. */
  constructor(address: string) {
    const colon = address.lastIndexOf(':');
    this.#address = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  }

  call(path: string, metadata: readonly (readonly [string, string])[], handler: GrpcCallHandler): GrpcCall {
    const authority = `${this.#address.host}:${this.#address.port}`;
    const maxMessageSize = 64 * 1024 * 1024;
    const call = new GrpcClientCall({ path, authority, scheme: 'http', metadata, maxMessageSize }, handler);
    const unavailable = (message: string) => call.fail({ code: GrpcCode.Unavailable, message });
    const socket = net.connect(this.#address);
    this.#sockets.add(socket);
    socket.on('error', (error) => unavailable(error.message));
    socket.on('close', () => {
      this.#sockets.delete(socket);
      unavailable('the connection is closed');
    });
    socket.on('connect', () => {
      if (call.over) {
        socket.destroy();
        return;
      }
      const codec = new Http2ClientCodec(new SocketOutput(socket), {
        onConnectionError: (details) => {
          unavailable(details);
          socket.destroy();
        },
        onDrain() {},
        onStreamAvailable() {},
      });
      attach(socket, codec);
      call.start((stream) => codec.newStream(stream));
    });
    return {
      send: (message) => call.send(message),
      end: () => call.end(),
      cancel: () => {
        call.cancel();
        // Not at once: the peer should read the reset.
        socket.end();
      },
      get bufferedBytes() {
        return call.bufferedBytes;
      },
    };
  }

  /** Cuts every connection, as a network does. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
