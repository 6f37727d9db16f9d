import fs from 'node:fs';
import net from 'node:net';
import { messageOf, UserError } from '../../base/errors.ts';

const MAX_CONNECTIONS = 256;

/** Where connections come in or go: a path of a Unix socket, or an address. */
export type RelayPlace =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly localAddress?: string };

/** Hands a connection on, byte by byte, each direction until its end. */
export function relay(socket: net.Socket, to: RelayPlace): void {
  const onward = net.connect({ ...to, allowHalfOpen: true });
  const end = () => {
    socket.destroy();
    onward.destroy();
  };
  for (const side of [socket, onward]) side.on('error', end).on('close', end);
  socket.pipe(onward);
  onward.pipe(socket);
}

/**
 * Hands every connection on to another place: a way into a network that its caller is not in, or out of it. A Unix
 * socket is for its owner only. Throws a UserError if the place cannot be had.
 */
export async function openRelay(at: RelayPlace, to: RelayPlace): Promise<{ close(): void }> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    relay(socket, to);
  });
  server.maxConnections = MAX_CONNECTIONS;
  if ('path' in at) fs.rmSync(at.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    const where = 'path' in at ? at.path : `${at.host}:${at.port}`;
    server.once('error', (error) => reject(new UserError(`${where} cannot be listened on: ${messageOf(error)}`)));
    server.listen('path' in at ? { path: at.path } : { ...at, exclusive: true }, resolve);
  });
  if ('path' in at) fs.chmodSync(at.path, 0o600);
  server.on('error', () => {});
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
