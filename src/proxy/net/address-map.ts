import type { Server } from 'node:net';
import type { SocketAddress } from './connection.ts';

/**
 * Stands between the addresses of a configuration and those of this machine. In a pod with a network of its own there
 * is nothing to do; where many pods share one machine's loopback, `0.0.0.0` and `127.0.0.1` mean the pod's own.
 */
export interface AddressMap {
  /** Where a listener that asks for an address listens. Not empty. */
  bind(address: SocketAddress): readonly SocketAddress[];
  /** Calls back when {@link bind} has changed, until what it returns is called. */
  onChange?(callback: () => void): () => void;
  /** A socket that listens in this place already, in a network that we are not in; undefined where there is none. */
  listening?(address: SocketAddress): Promise<Server> | undefined;
  /** Whether others take connections there as well, and go on when we no longer do (`SO_REUSEPORT`). */
  isShared?(address: SocketAddress): boolean;
  /** Where a connection to an address goes. */
  connect(address: SocketAddress): SocketAddress;
  /** The address that a connection to `address` is made from, when the configuration names none. */
  source(address: SocketAddress): string | undefined;
  /** What the configuration calls the address at which a connection was accepted. */
  accepted(local: SocketAddress): SocketAddress;
  /** A file of names as hosts(5) has them, which counts before the machine's own. */
  readonly hostsFile?: string;
}

/** Addresses as they are. */
export const OWN_NETWORK: AddressMap = {
  bind: (address) => [address],
  connect: (address) => address,
  source: () => undefined,
  accepted: (local) => local,
};
