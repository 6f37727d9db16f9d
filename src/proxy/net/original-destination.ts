import { createRequire } from 'node:module';
import type net from 'node:net';
import { canonicalIpv6 } from '../../base/cidr.ts';
import type { SocketAddress } from './connection.ts';

const SOL_IP = 0;
const SOL_IPV6 = 41;
/** `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` of linux/netfilter. */
const SO_ORIGINAL_DST = 80;

type GetSockOpt = (fd: number, level: number, name: number, value: Buffer, length: number[]) => number;

let getsockopt: GetSockOpt | null | undefined;

/** Node has no call for socket options; the library that has costs 9 MB, so only those who need it load it. */
function load(): GetSockOpt | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as {
      load(path: null): { func(prototype: string): GetSockOpt };
    };
    return koffi.load(null).func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)');
  } catch {
    return null;
  }
}

/**
 * Where the client of a captured connection was going. Undefined where the kernel does not know: the connection was
 * not redirected, and is where its client wanted it.
 */
export function originalDestination(socket: net.Socket): SocketAddress | undefined {
  if (getsockopt === undefined) getsockopt = load();
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (getsockopt === null || fd === undefined || fd < 0) return undefined;
  const value = Buffer.alloc(28);
  if (socket.remoteFamily === 'IPv6' && !socket.remoteAddress?.startsWith('::ffff:')) {
    if (getsockopt(fd, SOL_IPV6, SO_ORIGINAL_DST, value, [28]) !== 0) return undefined;
    const groups = Array.from({ length: 8 }, (_, i) => value.readUInt16BE(8 + 2 * i).toString(16));
    return { address: canonicalIpv6(groups.join(':')), port: value.readUInt16BE(2), family: 6 };
  }
  if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, value, [16]) !== 0) return undefined;
  return { address: value.subarray(4, 8).join('.'), port: value.readUInt16BE(2), family: 4 };
}
