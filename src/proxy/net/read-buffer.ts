import net from 'node:net';
import { BUFFER_SIZE, LARGE, type Loan, leaveLoan, mayLend, takeLoan } from './loans.ts';

/**
 * Reading into buffers that are used again.
 *
 * Node allocates 64 KiB for every read of a socket and shrinks it afterwards, which costs a proxy about a fifth of its
 * time. `net.connect` has the documented option `onread` against it; accepted sockets and TLS sockets do not, but obey
 * the same properties. Where those are missing (another runtime, a later Node) sockets emit `data` as usual.
 */

/** Sockets that may have a buffer of their own at a time. */
const MAX_OWN = 128;

interface Handle {
  useUserBuffer?(buffer: Buffer): void;
}

interface Internals {
  _handle?: Handle;
  [key: symbol]: unknown;
}

let bufferKey: symbol | undefined;
let callbackKey: symbol | undefined;
let generatorKey: symbol | undefined;
{
  const options = { onread: { buffer: () => Buffer.alloc(1), callback: () => true } };
  const probe = new net.Socket(options as unknown as net.SocketConstructorOpts);
  for (const key of Object.getOwnPropertySymbols(probe)) {
    if (key.description === 'kBuffer') bufferKey = key;
    if (key.description === 'kBufferCb') callbackKey = key;
    if (key.description === 'kBufferGen') generatorKey = key;
  }
}

let shared: Buffer | undefined;
let own = 0;

/**
 * Delivers what the socket reads as `start` to `end` of a buffer that is overwritten after the callback. The socket
 * must not have started to read; it starts with `resume()`.
 */
export function readInto(socket: net.Socket, onData: (bytes: Buffer, start: number, end: number) => void): void {
  const internals = socket as unknown as Internals;
  const handle = internals._handle;
  if (bufferKey === undefined || callbackKey === undefined || handle?.useUserBuffer === undefined) {
    socket.on('data', (chunk: Buffer) => onData(chunk, 0, chunk.length));
    return;
  }
  const common = (shared ??= Buffer.allocUnsafeSlow(BUFFER_SIZE));
  let size = 0;
  internals[bufferKey] = common;
  internals[callbackKey] = (length: number, bytes: Buffer) => {
    size = length;
    onData(bytes, 0, length);
    return true;
  };
  if (generatorKey !== undefined) {
    const buffers = new ReadBuffers(common);
    internals[generatorKey] = () => buffers.after(size);
    socket.once('close', () => buffers.close());
  }
  handle.useUserBuffer(common);
}

/** What a socket reads into: the buffer of all, or one of its own while it brings much. */
class ReadBuffers {
  readonly #common: Buffer;
  #loan: Loan | undefined = undefined;
  #closed = false;

  constructor(common: Buffer) {
    this.#common = common;
  }

  /** The buffer for the next read, after one of so many bytes. */
  after(size: number): Buffer {
    const loan = this.#loan;
    if (size < LARGE || this.#closed) {
      if (loan !== undefined) this.#leave(loan);
      return this.#common;
    }
    if (loan === undefined) {
      if (own >= MAX_OWN || !mayLend()) return this.#common;
      own++;
    } else {
      if (!loan.lent) return loan.buffer;
      leaveLoan(loan);
    }
    this.#loan = takeLoan();
    return this.#loan.buffer;
  }

  #leave(loan: Loan): void {
    own--;
    this.#loan = undefined;
    leaveLoan(loan);
  }

  close(): void {
    this.#closed = true;
    if (this.#loan !== undefined) this.#leave(this.#loan);
  }
}
