import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { askForSignsOfLife } from '../../base/keepalive.ts';
import { formatAddress } from './address.ts';

/** A listener whose connections end with it. */
export interface SocketListener {
  /** `IP:PORT` that it is bound to. */
  readonly address: string;
  /** Takes no new connections. */
  stop(): void;
  /** Settles when all connections have ended, or after this long. */
  drained(ms: number, clock: Clock): Promise<void>;
  /** Ends those that are left. */
  destroy(): void;
}

/** The connections of one listener. */
export class Connections {
  readonly #sockets = new Set<Socket>();
  #onEmpty: (() => void) | undefined;

  add(socket: Socket): void {
    this.#sockets.add(socket);
    askForSignsOfLife(socket);
    // A connection that fails concerns no one else.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
  }

  drained(ms: number, clock: Clock): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = clock.setTimer(ms, resolve);
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Listens, and hands each socket on. Throws a {@link UserError} that says what to do when the address is taken. */
export async function listen(
  flag: string,
  options: ListenOptions,
  onSocket: (socket: Socket) => void,
): Promise<SocketListener> {
  const connections = new Connections();
  const server = createServer({ noDelay: true }, (socket) => {
    connections.add(socket);
    onSocket(socket);
  });
  await bind(flag, server, options);
  return {
    address: formatAddress(server.address()),
    stop: () => server.close(),
    drained: (ms, clock) => connections.drained(ms, clock),
    destroy: () => connections.destroy(),
  };
}

/** Binds a server of any kind. */
export async function bind(flag: string, server: Server, options: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((error: unknown) => {
    const { host = '', port } = options;
    const why =
      codeOf(error) === 'EADDRINUSE'
        ? 'another program listens there; choose another address'
        : codeOf(error) === 'EACCES'
          ? 'this user may not bind it; choose a port from 1024'
          : messageOf(error);
    throw new UserError(`--${flag} ${host}:${port} cannot be bound: ${why}`, { cause: error });
  });
}
