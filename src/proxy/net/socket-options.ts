import { createRequire } from 'node:module';
import net from 'node:net';
import ipaddr from 'ipaddr.js';
import type { SocketAddress } from './connection.ts';

/** Options of sockets that Node has no call for (socket(7), ip(7), ipv6(7)), on Linux. */

const SOL_SOCKET = 1;
const SOL_IP = 0;
const SOL_IPV6 = 41;
/** `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` of linux/netfilter. */
const SO_ORIGINAL_DST = 80;
const SO_MARK = 36;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

interface Calls {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  close(fd: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number[]): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
}

let calls: Calls | null | undefined;

/** The library that calls C functions costs 9 MB, so only those who need it load it. Null where there are no such calls. */
function load(): Calls | null {
  if (calls !== undefined) return calls;
  calls = null;
  if (process.platform !== 'linux') return calls;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as {
      load(path: null): { func(prototype: string): never };
    };
    const library = koffi.load(null);
    calls = {
      socket: library.func('int socket(int, int, int)'),
      bind: library.func('int bind(int, const uint8_t *, uint32_t)'),
      close: library.func('int close(int)'),
      getsockopt: library.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)'),
      setsockopt: library.func('int setsockopt(int, int, int, const uint8_t *, uint32_t)'),
    };
  } catch {
    calls = null;
  }
  return calls;
}

function fdOf(socket: net.Socket | net.Server): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}

/** `SO_ORIGINAL_DST`: where a redirected connection was going, as a sockaddr; undefined where the kernel does not know. */
export function originalDestinationOf(socket: net.Socket, family: 4 | 6): Uint8Array | undefined {
  const functions = load();
  const fd = fdOf(socket);
  if (functions === null || fd < 0) return undefined;
  const value = Buffer.alloc(28);
  const [level, length] = family === 6 ? [SOL_IPV6, 28] : [SOL_IP, 16];
  return functions.getsockopt(fd, level, SO_ORIGINAL_DST, value, [length]) === 0 ? value : undefined;
}

/** Lets a listening socket take connections to any address (TPROXY). Throws an Error that says what is missing. */
export function makeTransparent(server: net.Server, family: 4 | 6): void {
  const functions = load();
  if (functions === null) throw new Error('IP_TRANSPARENT cannot be set here');
  setTransparent(functions, fdOf(server), family);
}

function setTransparent(functions: Calls, fd: number, family: 4 | 6): void {
  const [level, name] = family === 6 ? [SOL_IPV6, IPV6_TRANSPARENT] : [SOL_IP, IP_TRANSPARENT];
  if (!set(functions, fd, level, name, 1)) throw new Error('IP_TRANSPARENT cannot be set: CAP_NET_ADMIN is needed');
}

function set(functions: Calls, fd: number, level: number, name: number, value: number): boolean {
  const bytes = Buffer.alloc(4);
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return functions.setsockopt(fd, level, name, bytes, bytes.length) === 0;
}

/** An address that a connection is made from though it is another machine's, and the mark of its packets; 0 for none. */
export interface ForeignSource {
  readonly address: SocketAddress;
  readonly mark: number;
}

/**
 * A socket that is bound to an address of another machine and is to be connected. Throws an Error that says why that
 * cannot be; it is Node's to close from then on.
 */
export function foreignSocket({ address, mark }: ForeignSource): net.Socket {
  const functions = load();
  const family = address.family === 6 ? 6 : 4;
  if (functions === null) throw new Error('IP_TRANSPARENT cannot be set here');
  const fd = functions.socket(family === 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error('no more sockets can be opened');
  try {
    setTransparent(functions, fd, family);
    if (mark !== 0 && !set(functions, fd, SOL_SOCKET, SO_MARK, mark)) throw new Error('SO_MARK cannot be set');
    const name = sockaddr(address);
    if (functions.bind(fd, name, name.length) !== 0) throw new Error('Cannot assign requested address');
  } catch (error) {
    functions.close(fd);
    throw error;
  }
  return new net.Socket({ fd, manualStart: true, allowHalfOpen: true } as net.SocketConstructorOpts);
}

/** `struct sockaddr_in` or `sockaddr_in6`: the family in the machine's order, all else in that of the network. */
function sockaddr({ address, port, family }: SocketAddress): Buffer {
  const bytes = Buffer.alloc(family === 6 ? 28 : 16);
  const first = family === 6 ? AF_INET6 : AF_INET;
  bytes.set(new Uint8Array(new Uint16Array([first]).buffer), 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ipaddr.parse(address).toByteArray(), family === 6 ? 8 : 4);
  return bytes;
}
