import type { Backoff } from '../../base/backoff.ts';
import type { Cancel, Clock } from '../../base/clock.ts';
import type { GrpcCall, GrpcStatus, GrpcTransport } from '../../wire/grpc/transport.ts';

export interface DiscoveryStreamOptions {
  readonly transport: GrpcTransport;
  readonly clock: Clock;
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly metadata: () => readonly (readonly [string, string])[];
  readonly backoff: Backoff;
  /** A call has begun; messages can be sent. */
  readonly onOpen: () => void;
  readonly onMessage: (bytes: Uint8Array) => void;
  readonly onClose: (status: GrpcStatus) => void;
}

/** A call that is always there: when it ends, the next one begins after a delay that grows until a message comes. */
export class DiscoveryStream {
  readonly method: string;
  readonly #options: DiscoveryStreamOptions;
  #call: GrpcCall | undefined;
  #cancelRetry: Cancel | undefined;
  #started = false;
  #closed = false;

  constructor(options: DiscoveryStreamOptions) {
    this.#options = options;
    this.method = options.method;
  }

  get open(): boolean {
    return this.#call !== undefined;
  }

  /** Begins the first call, unless it has begun. */
  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    this.#connect();
  }

  send(message: Uint8Array): void {
    this.#call?.send(message);
  }

  /** Gives up the present call and begins another one after a delay, as if it had ended with this status. */
  restart(status: GrpcStatus): void {
    this.#call?.cancel();
    this.#ended(this.#call, status);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#call?.cancel();
    this.#call = undefined;
  }

  #connect(): void {
    const { transport, method, metadata, backoff, onMessage, onOpen } = this.#options;
    let call: GrpcCall | undefined;
    // A transport may end a call before it has returned it.
    let early: GrpcStatus | undefined;
    call = transport.call(method, metadata(), {
      onMessage: (bytes) => {
        if (this.#call !== call) return;
        backoff.reset();
        onMessage(bytes);
      },
      onEnd: (status) => {
        if (call) this.#ended(call, status);
        else early = status;
      },
    });
    this.#call = call;
    if (early) this.#ended(call, early);
    else onOpen();
  }

  #ended(call: GrpcCall | undefined, status: GrpcStatus): void {
    if (!call || this.#call !== call) return;
    this.#call = undefined;
    this.#options.onClose(status);
    if (this.#closed) return;
    this.#cancelRetry = this.#options.clock.setTimer(this.#options.backoff.next(), () => this.#connect());
  }
}
