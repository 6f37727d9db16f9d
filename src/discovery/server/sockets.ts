import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { formatAddress } from './address.ts';

/** A listener whose connections end with it. */
export interface SocketListener {
  /** `IP:PORT` that it is bound to. */
  readonly address: string;
  /** Takes no new connections. */
  stop(): void;
  /** Ends those that are left. */
  destroy(): void;
}

/** Listens, and hands each socket on. Throws a {@link UserError} that says what to do when the address is taken. */
export async function listen(
  flag: string,
  options: ListenOptions,
  onSocket: (socket: Socket) => void,
): Promise<SocketListener> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A connection that fails concerns no one else.
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  await bind(flag, server, options);
  return {
    address: formatAddress(server.address()),
    stop: () => server.close(),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
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
