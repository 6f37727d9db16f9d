import { isDeepStrictEqual } from 'node:util';
import { formatAddress, type SocketAddress } from './connection.ts';
import type { SocketOption } from './socket-options.ts';

/** What of a listener its sockets are made of. */
export interface SocketsConfig {
  readonly addresses: readonly SocketAddress[];
  /** What sockets are told that listen at the addresses, one after the other. */
  readonly socketOptions: readonly (readonly SocketOption[])[];
  /** `enable_mptcp`. */
  readonly multipath: boolean;
  readonly bindToPort: boolean;
  /** `transparent`: connections come that were going to any address (TPROXY). */
  readonly transparent: boolean;
}

/** A listener as far as its sockets go. */
interface Sockets {
  readonly config: SocketsConfig;
  bind(): Promise<void>;
  closeSockets(): void;
}

/** Whether an update of a listener can go on with the sockets that there are. */
export function sameSockets(a: SocketsConfig, b: SocketsConfig): boolean {
  return (
    a.bindToPort === b.bindToPort &&
    a.transparent === b.transparent &&
    a.multipath === b.multipath &&
    isDeepStrictEqual(a.socketOptions, b.socketOptions) &&
    a.addresses.map(formatAddress).join() === b.addresses.map(formatAddress).join()
  );
}

/** Whether two listeners want to listen in the same place. */
export function sharePlace(a: SocketsConfig, b: SocketsConfig): boolean {
  return a.addresses.some((one) =>
    b.addresses.some((other) => one.port !== 0 && one.address === other.address && one.port === other.port),
  );
}

/** Opens a listener's sockets. Those of the one before it give way where both want a place, and come back if that fails. */
export async function bindInPlace(listener: Sockets, before: Sockets | undefined): Promise<void> {
  const isTaken = before?.config.bindToPort && sharePlace(before.config, listener.config);
  if (!isTaken) {
    await listener.bind();
    return;
  }
  before.closeSockets();
  try {
    await listener.bind();
  } catch (error) {
    await before.bind();
    throw error;
  }
}
