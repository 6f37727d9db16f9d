import { type ClientCodec, type OutgoingStream, ResetReason, type StreamHandler } from '../../../wire/http.ts';
import { Http1ClientCodec } from '../../../wire/http1/client.ts';
import { Http2ClientCodec } from '../../../wire/http2/client.ts';
import type { Connection, ConnectionHandler } from '../../net/connection.ts';

/** An HTTP connection that carries one health check at a time. */
export class CheckConnection implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #codec: ClientCodec;
  #drained = false;

  constructor(connection: Connection, http2: boolean) {
    this.#connection = connection;
    const callbacks = {
      onConnectionError: (details: string) => {
        this.#codec.connectionClosed(ResetReason.ProtocolError, details);
        this.#connection.close();
      },
      onDrain: () => {
        this.#drained = true;
      },
      onStreamAvailable: () => {},
    };
    this.#codec = http2 ? new Http2ClientCodec(connection, callbacks) : new Http1ClientCodec(connection, callbacks);
    connection.setHandler(this);
    connection.start();
  }

  /** The connection that carries the checks, for whoever writes of it. */
  get connection(): Connection {
    return this.#connection;
  }

  /** Whether another check may go over it. */
  get usable(): boolean {
    return !this.#connection.closed && !this.#drained && this.#codec.canOpen;
  }

  open(handler: StreamHandler): OutgoingStream {
    return this.#codec.newStream(handler);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#codec.receive(bytes, start, end);
  }

  onEnd(): void {
    this.#codec.receiveEnd();
    this.#connection.close();
  }

  onBackpressure(): void {}

  onClose(): void {
    this.#codec.connectionClosed(ResetReason.ConnectionTermination, '');
  }

  close(): void {
    this.#connection.close();
  }
}
