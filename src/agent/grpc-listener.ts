import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { type GrpcMethod, GrpcServer } from '../wire/grpc/server.ts';
import { Http2ServerCodec } from '../wire/http2/server.ts';
import { CodecSocket } from './net/codec-socket.ts';

/** What the address of a Unix socket has room for (`sun_path`), without the zero at its end; Linux has 107, BSD 103. */
const MAX_PATH_BYTES = 103;
/** A proxy opens one; a few more do no harm. */
const MAX_CONNECTIONS = 100;

/** A gRPC server on a Unix socket that only its owner can use. */
export class GrpcListener {
  readonly #server: net.Server;
  readonly #sockets = new Set<CodecSocket>();
  readonly #file: string;

  private constructor(methods: ReadonlyMap<string, GrpcMethod>, file: string) {
    this.#file = file;
    const grpc = new GrpcServer(methods);
    this.#server = net.createServer((socket) => {
      const io = new CodecSocket(socket);
      this.#sockets.add(io);
      const codec = new Http2ServerCodec(io, {
        newStream: (stream) => grpc.newStream(stream),
        onConnectionError: () => io.close(),
        onConnectionDone: () => io.close(),
      });
      io.attach(codec, () => this.#sockets.delete(io));
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Listens on a path whose folder is made (0700) if it is not there. What was left by an earlier process is replaced. */
  static async open(file: string, methods: ReadonlyMap<string, GrpcMethod>): Promise<GrpcListener> {
    const where = shortest(file);
    const listener = new GrpcListener(methods, file);
    try {
      await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      if (await answers(where)) throw new Error('another process serves it');
      await fs.rm(file, { force: true });
      await listener.#listen(where);
      await fs.chmod(file, 0o600);
    } catch (error) {
      listener.close();
      throw new UserError(`The socket ${file} cannot be served: ${messageOf(error)}.`);
    }
    return listener;
  }

  #listen(where: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // Between listen and chmod the umask is all that keeps others out.
      const umask = process.umask(0o177);
      this.#server.listen(where, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', () => {});
        resolve();
      });
      process.umask(umask);
    });
  }

  close(): void {
    this.#server.close();
    for (const io of this.#sockets) io.destroy();
    void fs.rm(this.#file, { force: true }).catch(() => {});
  }
}

/** The spelling of a path that fits into the address of a socket. */
function shortest(file: string): string {
  const relative = path.relative('.', file);
  const short = relative.length < file.length ? relative : file;
  if (Buffer.byteLength(short) <= MAX_PATH_BYTES) return short;
  throw new UserError(
    `The path ${file} is too long for a socket (${MAX_PATH_BYTES} bytes): choose a shorter working folder with --dir.`,
  );
}

function answers(where: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(where);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error) => resolve(codeOf(error) === 'EAGAIN'));
  });
}
