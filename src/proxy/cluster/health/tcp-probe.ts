import type { Connection, ConnectionHandler } from '../../net/connection.ts';
import type { Cancelable } from '../cluster.ts';
import type { TcpCheckConfig } from './config.ts';
import { containsInOrder, NETWORK_FAILURE, PASSED, type Probe, type ProbeContext, type ProbeResult } from './probe.ts';

/** What is kept of an answer that is waited for in pieces. */
const MAX_ANSWER = 64 * 1024;

/** Connects, and sends and expects bytes where that is asked for. */
export class TcpProbe implements Probe, ConnectionHandler {
  readonly #config: TcpCheckConfig;
  readonly #context: ProbeContext;
  #connecting: Cancelable | undefined = undefined;
  #connection: Connection | undefined = undefined;
  #done: ((result: ProbeResult) => void) | undefined = undefined;
  #answer: Buffer = Buffer.alloc(0);

  constructor(config: TcpCheckConfig, context: ProbeContext) {
    this.#config = config;
    this.#context = context;
  }

  start(done: (result: ProbeResult) => void): void {
    this.#done = done;
    this.#answer = Buffer.alloc(0);
    if (this.#connection !== undefined && !this.#connection.closed) {
      this.#ask(this.#connection);
      return;
    }
    this.#connecting = this.#context.connect({
      onConnected: (connection) => {
        this.#connecting = undefined;
        if (this.#config.expect.length === 0) {
          // That it can be connected to is all there is to know. What is to be sent is sent all the same.
          if (this.#config.send) connection.write(this.#config.send);
          connection.closeAfterFlush(0);
          this.#finish(PASSED);
          return;
        }
        this.#connection = connection;
        connection.setHandler(this);
        connection.start();
        this.#ask(connection);
      },
      onFailed: () => {
        this.#connecting = undefined;
        this.#finish(NETWORK_FAILURE);
      },
    });
  }

  #ask(connection: Connection): void {
    if (this.#config.send) connection.write(this.#config.send);
  }

  #finish(result: ProbeResult): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(result);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#done === undefined) return;
    this.#answer = Buffer.concat([this.#answer, bytes.subarray(start, end)]);
    if (containsInOrder(this.#answer, this.#config.expect)) {
      if (!this.#context.reuseConnection) this.#drop();
      this.#finish(PASSED);
    } else if (this.#answer.length > MAX_ANSWER) {
      this.#drop();
      this.#finish(NETWORK_FAILURE);
    }
  }

  onEnd(): void {
    this.#connection?.close();
  }

  onBackpressure(): void {}

  onClose(): void {
    this.#connection = undefined;
    this.#finish(NETWORK_FAILURE);
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.setHandler({ onData() {}, onEnd() {}, onBackpressure() {}, onClose() {} });
    connection?.close();
  }

  abort(): void {
    this.#done = undefined;
    this.#connecting?.cancel();
    this.#connecting = undefined;
    this.#drop();
  }

  close(): void {
    this.abort();
  }
}
