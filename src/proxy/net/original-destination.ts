import type net from 'node:net';
import { canonicalIpv6 } from '../../base/cidr.ts';
import type { SocketAddress } from './connection.ts';
import { originalDestinationOf } from './socket-options.ts';

/**
 * Where the client of a captured connection was going. Undefined where the kernel does not know: the connection was
 * not redirected, and is where its client wanted it.
 */
export function originalDestination(socket: net.Socket): SocketAddress | undefined {
  const family = socket.remoteFamily === 'IPv6' && !socket.remoteAddress?.startsWith('::ffff:') ? 6 : 4;
  const found = originalDestinationOf(socket, family);
  if (found === undefined) return undefined;
  const value = Buffer.from(found);
  const port = value.readUInt16BE(2);
  if (family === 4) return { address: value.subarray(4, 8).join('.'), port, family };
  const groups = Array.from({ length: 8 }, (_, i) => value.readUInt16BE(8 + 2 * i).toString(16));
  // Addresses are compared as they are written.
  return { address: canonicalIpv6(groups.join(':')), port, family };
}
