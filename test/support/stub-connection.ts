import type { CloseReason, Connection, ConnectionHandler } from '../../src/proxy/net/connection.ts';
import { stubConnection } from './filter-callbacks.ts';

/** A connection without a socket: what is written to it is kept, and what comes is what the test says. */
export interface ScriptedConnection extends Connection {
  readonly written: string[];
  readonly paused: boolean;
  readonly closedWith: string | undefined;
  receive(text: string): void;
  end(): void;
  peerEnds(): void;
  peerCloses(reason: CloseReason): void;
}

export function scriptedConnection(more: Partial<Connection> = {}): ScriptedConnection {
  let handler: ConnectionHandler | undefined;
  const connection = Object.assign(stubConnection(more), {
    written: [] as string[],
    paused: false,
    closed: false,
    closedWith: undefined as string | undefined,
    filterState: undefined,
    setHandler(next: ConnectionHandler) {
      handler = next;
    },
    start() {},
    end() {},
    write(chunk: Uint8Array) {
      connection.written.push(Buffer.from(chunk).toString('latin1'));
    },
    pauseReading(pause: boolean) {
      connection.paused = pause;
    },
    close(details = '') {
      connection.closed = true;
      connection.closedWith = details;
      handler?.onClose('local', details);
    },
    receive(text: string) {
      // Whoever is told of bytes may not keep the buffer that they lie in.
      const buffer = Buffer.from(`--${text}--`, 'latin1');
      handler?.onData(buffer, 2, 2 + text.length);
      buffer.fill(0);
    },
    peerEnds: () => handler?.onEnd(),
    peerCloses: (reason: CloseReason) => handler?.onClose(reason, ''),
  });
  return connection as ScriptedConnection;
}

/** Writes down everything that it is told. */
export class RecordingHandler implements ConnectionHandler {
  readonly events: string[] = [];

  onData(bytes: Buffer, start: number, end: number): void {
    this.events.push(bytes.toString('latin1', start, end));
  }

  onEnd(): void {
    this.events.push('end');
  }

  onBackpressure(high: boolean): void {
    this.events.push(high ? 'high' : 'low');
  }

  onClose(reason: CloseReason, details: string): void {
    this.events.push(`closed ${reason} ${details}`.trimEnd());
  }
}
