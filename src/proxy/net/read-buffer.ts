import net from 'node:net';

/**
 * Reading into one buffer for all sockets of a worker.
 *
 * Node allocates 64 KiB for every read of a socket and shrinks it afterwards, which costs a proxy about a fifth of its
 * time. `net.connect` has the documented option `onread` against it; accepted sockets and TLS sockets do not, but obey
 * the same three properties. Where those are missing (another runtime, a later Node) sockets emit `data` as usual.
 */
const BUFFER_SIZE = 64 * 1024;

interface Handle {
  useUserBuffer?(buffer: Buffer): void;
}

interface Internals {
  _handle?: Handle;
  [key: symbol]: unknown;
}

let bufferKey: symbol | undefined;
let callbackKey: symbol | undefined;
{
  const options = { onread: { buffer: Buffer.alloc(1), callback: () => true } };
  const probe = new net.Socket(options as net.SocketConstructorOpts);
  for (const key of Object.getOwnPropertySymbols(probe)) {
    if (key.description === 'kBuffer') bufferKey = key;
    if (key.description === 'kBufferCb') callbackKey = key;
  }
}

let shared: Buffer | undefined;

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
  shared ??= Buffer.allocUnsafeSlow(BUFFER_SIZE);
  const buffer = shared;
  internals[bufferKey] = buffer;
  internals[callbackKey] = (size: number) => {
    onData(buffer, 0, size);
    return true;
  };
  handle.useUserBuffer(buffer);
}
