import type net from 'node:net';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { Timer, Timers } from '../timers.ts';
import {
  CloseReason,
  type Connection,
  type ConnectionHandler,
  type SocketAddress,
  type TlsInfo,
} from './connection.ts';
import type { Flushable, FlushQueue } from './flush-queue.ts';
import { giveBack, loanOf } from './loans.ts';
import { readInto } from './read-buffer.ts';

/** What connections of one worker share. */
export interface NetContext {
  readonly flushQueue: FlushQueue;
  readonly timers: Timers & { newEvent(): void };
}

export interface ConnectionOptions {
  /** `per_connection_buffer_limit_bytes`: above this much unsent output the owner is asked to pause. */
  readonly bufferLimit: number;
}

const NOBODY: ConnectionHandler = { onData() {}, onEnd() {}, onBackpressure() {}, onClose() {} };

let nextId = 1;

/** A {@link Connection} on a Node socket, plain or TLS, that is connected and whose TLS peer was admitted. */
export class SocketConnection implements Connection, Flushable {
  readonly id = nextId++;
  readonly local: SocketAddress;
  readonly directRemote: SocketAddress;
  remote: SocketAddress;
  requestedServerName = '';
  originalDestination: SocketAddress | undefined = undefined;
  readonly tls: TlsInfo | undefined;
  bytesReceived = 0;
  bytesSent = 0;
  closed = false;
  filterChainName = '';
  filterState: Map<string, unknown> | undefined = undefined;

  readonly #socket: net.Socket;
  readonly #context: NetContext;
  readonly #bufferLimit: number;
  #handler: ConnectionHandler = NOBODY;
  /** Output of this event: text alone, which is the common case, or chunks in order with the text behind them. */
  #text = '';
  #chunks: (Uint8Array | string)[] | undefined = undefined;
  #dirty = false;
  #high = false;
  #ending = false;
  #paused = false;
  #started = false;
  #ended = false;
  #remoteEnded = false;
  /** Who closed first, for when our output has been seen off. */
  #endReason: CloseReason = CloseReason.Remote;
  #lingering: Timer | undefined = undefined;

  constructor(
    socket: net.Socket,
    context: NetContext,
    options: ConnectionOptions,
    addresses: { local: SocketAddress; remote: SocketAddress },
    tls: TlsInfo | undefined,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#bufferLimit = options.bufferLimit;
    this.local = addresses.local;
    this.remote = addresses.remote;
    this.directRemote = addresses.remote;
    this.tls = tls;
    readInto(socket, (bytes, start, end) => this.#onRead(bytes, start, end));
    socket.on('end', () => this.#event(() => this.#onPeerEnd()));
    socket.on('drain', () => this.#event(() => this.#onDrain()));
    socket.on('error', (error) => this.#event(() => this.#onError(error)));
    socket.on('close', () => this.#event(() => this.#onSocketClosed()));
  }

  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  start(): void {
    if (this.#started || this.closed) return;
    this.#started = true;
    if (this.#paused) return;
    this.#deliverBuffered();
    this.#socket.resume();
  }

  /** Bytes that came before anybody could take them: behind a handshake, or behind what a listener filter looked at. */
  #deliverBuffered(): void {
    while (this.#socket.readableLength > 0 && !this.#paused && !this.closed) {
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk === null) return;
      this.#onRead(chunk, 0, chunk.length);
    }
  }

  #event(work: () => void): void {
    const { flushQueue, timers } = this.#context;
    flushQueue.enter();
    timers.newEvent();
    try {
      work();
    } catch (error) {
      this.#fault(error);
    } finally {
      flushQueue.leave();
    }
  }

  /** What went wrong may have left its owner in any state: the connection ends, and the owner is told so. */
  #fault(error: unknown): void {
    const { flushQueue } = this.#context;
    try {
      this.reset();
    } catch (another) {
      flushQueue.fault(another);
    }
    flushQueue.fault(error);
  }

  #onRead(bytes: Buffer, start: number, end: number): void {
    if (this.closed) return;
    this.bytesReceived += end - start;
    const { flushQueue, timers } = this.#context;
    flushQueue.enter();
    timers.newEvent();
    try {
      this.#handler.onData(bytes, start, end);
    } catch (error) {
      this.#fault(error);
    } finally {
      flushQueue.leave();
    }
  }

  #onPeerEnd(): void {
    if (this.closed) return;
    this.#remoteEnded = true;
    if (this.#lingering === undefined) this.#handler.onEnd();
    if (this.#ended) this.#finishWhenSent();
  }

  /** Both sides have ended: what is left is to see our own output off. */
  #finishWhenSent(): void {
    const reason = this.#endReason;
    if (this.#socket.writableFinished) this.#finish(reason, '');
    else this.#socket.once('finish', () => this.#event(() => this.#finish(reason, '')));
  }

  #onDrain(): void {
    if (!this.#high || this.closed) return;
    this.#high = false;
    this.#handler.onBackpressure(false);
  }

  #onError(error: Error): void {
    const code = codeOf(error);
    const reset = code === 'ECONNRESET' || code === 'EPIPE';
    this.#finish(CloseReason.Reset, reset ? '' : messageOf(error));
  }

  #onSocketClosed(): void {
    this.#finish(this.#remoteEnded ? CloseReason.Remote : CloseReason.Reset, '');
  }

  #finish(reason: CloseReason, details: string): void {
    if (this.closed) return;
    this.closed = true;
    this.#text = '';
    this.#chunks = undefined;
    this.#lingering?.cancel();
    this.#socket.destroy();
    const handler = this.#handler;
    this.#handler = NOBODY;
    handler.onClose(reason, details);
  }

  write(chunk: Uint8Array): void {
    if (this.closed || this.#ended) return;
    this.bytesSent += chunk.length;
    const chunks = (this.#chunks ??= []);
    if (this.#text !== '') {
      chunks.push(this.#text);
      this.#text = '';
    }
    chunks.push(chunk);
    this.#markDirty();
  }

  writeLatin1(text: string): void {
    if (this.closed || this.#ended) return;
    this.bytesSent += text.length;
    this.#text = this.#text === '' ? text : this.#text + text;
    this.#markDirty();
  }

  #markDirty(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#context.flushQueue.add(this);
  }

  flush(): void {
    this.#dirty = false;
    if (this.closed) return;
    const socket = this.#socket;
    const chunks = this.#chunks;
    const text = this.#text;
    this.#text = '';
    if (chunks === undefined) {
      if (text !== '') socket.write(text, 'latin1');
    } else {
      this.#chunks = undefined;
      if (text !== '') chunks.push(text);
      if (chunks.length > 1) socket.cork();
      for (const chunk of chunks) {
        if (typeof chunk === 'string') socket.write(chunk, 'latin1');
        else writeChunk(socket, chunk);
      }
      if (chunks.length > 1) socket.uncork();
    }
    if (this.#ending) this.#endSocket();
    if (!this.#high && socket.writableLength > this.#bufferLimit) {
      this.#high = true;
      this.#handler.onBackpressure(true);
    }
  }

  pauseReading(pause: boolean): void {
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (!this.#started || this.closed) return;
    if (pause) {
      this.#socket.pause();
      return;
    }
    this.#deliverBuffered();
    if (!this.#paused) this.#socket.resume();
  }

  end(): void {
    if (this.closed || this.#ending || this.#ended) return;
    this.#ending = true;
    this.#markDirty();
  }

  #endSocket(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end();
    if (this.#remoteEnded) this.#finishWhenSent();
  }

  closeAfterFlush(delayMs: number): void {
    if (this.closed || this.#lingering !== undefined) return;
    if (!this.#remoteEnded) this.#endReason = CloseReason.Local;
    this.end();
    this.pauseReading(false);
    this.start();
    this.#lingering = this.#context.timers.start(delayMs, () => this.#finish(this.#endReason, ''));
  }

  close(details = ''): void {
    // What nobody has read becomes a reset, as the kernel has it where the bytes were never taken from it.
    if (!this.#started && !this.closed && this.#socket.readableLength > 0) resetSocket(this.#socket);
    this.#finish(CloseReason.Local, details);
  }

  reset(): void {
    if (this.closed) return;
    resetSocket(this.#socket);
    this.#finish(CloseReason.Local, '');
  }
}

function writeChunk(socket: net.Socket, chunk: Uint8Array): void {
  const loan = loanOf(chunk);
  if (loan === undefined) socket.write(chunk);
  else socket.write(chunk, () => giveBack(loan, chunk.length));
}

interface Wrapper {
  _parent?: net.Socket;
}

/** Sends RST. A TLS socket cannot do that itself; the TCP socket under it can. */
function resetSocket(socket: net.Socket): void {
  const raw = (socket as Wrapper)._parent ?? socket;
  try {
    raw.resetAndDestroy();
  } catch {
    raw.destroy();
  }
}
