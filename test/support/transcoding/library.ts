import fs from 'node:fs';
import net from 'node:net';
import type { TestContext } from 'node:test';
import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  type MessageShape,
  toJsonString,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { type GrpcMethod, GrpcServer, type GrpcServerCall, OK } from '../../../src/wire/grpc/server.ts';
import { Http2ServerCodec } from '../../../src/wire/http2/server.ts';
import { attach, listen, SocketOutput } from '../codec-socket.ts';

/** The service of library.proto: a gRPC server that remembers what it was asked. */

export const LIBRARY_PB: string = new URL('library.pb', import.meta.url).pathname;

export const types: FileRegistry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(LIBRARY_PB)));
export const Book: DescMessage = types.getMessage('library.v1.Book')!;

type BookFields = MessageShape<DescMessage> & {
  readonly title: string;
  readonly pages: number;
  readonly tags: readonly string[];
};

const bookOf = (bytes: Uint8Array): BookFields => fromBinary(Book, bytes) as BookFields;
/** A book with a title only. */
const titled = (title: string): Uint8Array =>
  Buffer.concat([Buffer.from([0x12, Buffer.byteLength(title)]), Buffer.from(title)]);

const ignore = () => {};
const SERVICE = '/library.v1.Library/';
/** `google.rpc.Status` with code 5, the message `gone` and no details, as clients send it in a header. */
const STATUS_DETAILS = Buffer.from([8, 5, 0x12, 4, ...Buffer.from('gone')]).toString('base64');

const echo: GrpcMethod = (call) => ({
  onMessage(message) {
    call.send(message);
  },
  onHalfClose: () => call.end(OK),
  onCancel: ignore,
});

function failWith(call: GrpcServerCall): (message: Uint8Array) => void {
  return (message) => {
    const book = bookOf(message);
    const details = book.title === 'details' ? ([['grpc-status-details-bin', STATUS_DETAILS]] as const) : [];
    for (const tag of book.tags) call.send(titled(tag));
    call.end({ code: book.pages, message: book.title }, details);
  };
}

const fail: GrpcMethod = (call) => ({ onMessage: failWith(call), onHalfClose: ignore, onCancel: ignore });

const METHODS: Readonly<Record<string, GrpcMethod>> = {
  GetBook: echo,
  WriteBook: echo,
  CheckBook: echo,
  AnyMethod: echo,
  Upload: echo,
  Send: echo,
  SendMany: (call) => ({
    onMessage: (message) => call.send(httpBodyOf(message)),
    onHalfClose: () => call.end(OK),
    onCancel: ignore,
  }),
  WithoutRule: echo,
  Talk: echo,
  DeleteBook: (call) => ({
    onMessage: () => call.send(new Uint8Array(0)),
    onHalfClose: () => call.end(OK),
    onCancel: ignore,
  }),
  ListBooks: (call) => ({
    onMessage(message) {
      for (const tag of bookOf(message).tags) call.send(titled(tag));
    },
    onHalfClose: () => call.end(OK),
    onCancel: ignore,
  }),
  StoreBooks: (call) => {
    const tags: Buffer[] = [];
    return {
      onMessage(message) {
        const title = Buffer.from(bookOf(message).title);
        tags.push(Buffer.from([0x62, title.length]), title);
      },
      onHalfClose() {
        call.send(Buffer.concat(tags));
        call.end(OK);
      },
      onCancel: ignore,
    };
  },
  Fail: fail,
  FailStreaming: fail,
};

/** The `file` of an encoded Parcel. */
function httpBodyOf(parcel: Uint8Array): Uint8Array {
  const message = fromBinary(types.getMessage('library.v1.Parcel')!, parcel) as {
    file?: { data: Uint8Array };
  } & object;
  const data = message.file?.data ?? new Uint8Array(0);
  return Buffer.concat([Buffer.from([0x0a, 3]), Buffer.from('a/b'), Buffer.from([0x12, data.length]), data]);
}

/** A method call that came: path, the headers that matter, and the messages as JSON. */
export interface SeenCall {
  readonly path: string;
  readonly headers: readonly string[];
  readonly messages: string[];
}

export class Library {
  readonly calls: SeenCall[] = [];

  /** Starts the service and returns its port. It ends with the test. */
  async start(t: Pick<TestContext, 'after'>): Promise<number> {
    const methods = Object.entries(METHODS).map(
      ([name, method]) => [SERVICE + name, this.#recorded(name, method)] as const,
    );
    const grpc = new GrpcServer(new Map(methods));
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      const output = new SocketOutput(socket);
      const end = () => output.end();
      attach(
        socket,
        new Http2ServerCodec(output, {
          newStream: grpc.newStream.bind(grpc),
          onConnectionError: end,
          onConnectionDone: end,
        }),
      );
    });
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return await listen(server);
  }

  #recorded(name: string, method: GrpcMethod): GrpcMethod {
    const input = types.getService('library.v1.Library')!.methods.find((m) => m.name === name)!.input;
    return (call) => {
      const handler = method(call);
      const seen: SeenCall = { path: call.path, headers: [...call.metadata].map((h) => h.join(': ')), messages: [] };
      this.calls.push(seen);
      return {
        ...handler,
        onMessage(message) {
          seen.messages.push(toJsonString(input, fromBinary(input, message), { registry: types }));
          handler.onMessage(message);
        },
      };
    };
  }

  /** The calls since the last time. */
  take(): SeenCall[] {
    return this.calls.splice(0);
  }
}

/** Makes the `library` of each twin, and keeps them by their ports. */
export function libraryServers(libraries: Map<number, Library>) {
  return {
    async library(t: TestContext): Promise<number> {
      const library = new Library();
      const port = await library.start(t);
      libraries.set(port, library);
      return port;
    },
  };
}
