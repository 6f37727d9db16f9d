import type { Connection, SocketAddress } from '../net/connection.ts';
import type { Timer, Timers } from '../timers.ts';
import type { Cancelable } from './cluster.ts';
import type { ConnectHandler } from './connect-handler.ts';

/** How long an address may take before the next one is tried as well; Envoy's figure, within RFC 8305 section 5. */
const ATTEMPT_DELAY_MS = 300;

type Connect = (address: SocketAddress, handler: ConnectHandler) => Cancelable;

/**
 * Connects to the first of several addresses of one host that answers (RFC 8305): they are tried in order, families in
 * turn, each a little later than the one before, or as soon as that has failed.
 */
export class HappyEyeballs implements Cancelable {
  readonly #left: SocketAddress[];
  readonly #connect: Connect;
  readonly #timers: Timers;
  readonly #handler: ConnectHandler;
  readonly #running = new Set<Cancelable>();
  readonly #deadline: Timer;
  #next: Timer | undefined = undefined;
  #over = false;

  constructor(
    addresses: readonly SocketAddress[],
    timeoutMs: number,
    timers: Timers,
    connect: Connect,
    handler: ConnectHandler,
  ) {
    this.#left = interleave(addresses);
    this.#connect = connect;
    this.#timers = timers;
    this.#handler = handler;
    this.#deadline = timers.start(timeoutMs, () => this.#fail('', true));
    this.#try();
  }

  #try(): void {
    this.#next?.cancel();
    const address = this.#left.shift();
    if (address === undefined) return;
    const attempt = this.#connect(address, {
      onConnected: (connection) => this.#succeed(attempt, connection),
      onFailed: (details, timeout, local) => {
        this.#running.delete(attempt);
        if (this.#left.length > 0) this.#try();
        else if (this.#running.size === 0) this.#fail(details, timeout, local);
      },
    });
    this.#running.add(attempt);
    if (this.#left.length > 0) this.#next = this.#timers.start(ATTEMPT_DELAY_MS, () => this.#try());
  }

  #succeed(attempt: Cancelable, connection: Connection): void {
    this.#running.delete(attempt);
    this.#end();
    this.#handler.onConnected(connection);
  }

  #fail(details: string, timeout: boolean, local = false): void {
    this.#end();
    this.#handler.onFailed(details, timeout, local);
  }

  #end(): void {
    this.#over = true;
    this.#deadline.cancel();
    this.#next?.cancel();
    for (const attempt of this.#running) attempt.cancel();
    this.#running.clear();
  }

  cancel(): void {
    if (!this.#over) this.#end();
  }
}

/** Families in turn, beginning with that of the first address; the order within a family stays. */
export function interleave(addresses: readonly SocketAddress[]): SocketAddress[] {
  const [first] = addresses;
  const same = addresses.filter(({ family }) => family === first.family);
  const others = addresses.filter(({ family }) => family !== first.family);
  return same
    .flatMap((address, i) => (i < others.length ? [address, others[i]] : [address]))
    .concat(others.slice(same.length));
}
