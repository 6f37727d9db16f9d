import { createRequire } from 'node:module';
import net from 'node:net';
import { constants } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { SocketAddress } from './connection.ts';

/** Options of sockets that Node has no call for (socket(7), ip(7), ipv6(7), tcp(7)), on Linux. */

const SOL_SOCKET = 1;
const SOL_IP = 0;
const SOL_IPV6 = 41;
/** `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` of linux/netfilter. */
const SO_ORIGINAL_DST = 80;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const SO_MARK = 36;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const IP_FREEBIND = 15;
const IPV6_FREEBIND = 78;
const IPV6_V6ONLY = 26;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6;
const TCP_FASTOPEN = 23;
const IPPROTO_MPTCP = 262;

interface Calls {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  close(fd: number): number;
  errno(): number;
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
      errno(): number;
    };
    const library = koffi.load(null);
    calls = {
      socket: library.func('int socket(int, int, int)'),
      bind: library.func('int bind(int, const uint8_t *, uint32_t)'),
      close: library.func('int close(int)'),
      errno: () => koffi.errno(),
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
  if (!set(functions, fd, level, name, integer(1))) {
    throw new Error('IP_TRANSPARENT cannot be set: CAP_NET_ADMIN is needed');
  }
}

function set(functions: Calls, fd: number, level: number, name: number, value: Uint8Array): boolean {
  return functions.setsockopt(fd, level, name, value, value.length) === 0;
}

/** An `int` in the machine's order. */
export function integer(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
}

/** One option of a socket, by its numbers in this kernel. */
export interface SocketOption {
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array;
  /** When it is set: before the socket has an address, after that, or when it listens. */
  readonly state: 'prebind' | 'bound' | 'listening';
}

/** `IP_FREEBIND`: the address need not be one of this machine's yet. */
export function freebind(family: 4 | 6): SocketOption {
  const [level, name] = family === 6 ? [SOL_IPV6, IPV6_FREEBIND] : [SOL_IP, IP_FREEBIND];
  return { level, name, value: integer(1), state: 'prebind' };
}

/** `TCP_FASTOPEN`: how many connections may wait that came with data in their first packet (RFC 7413). */
export function fastOpenQueue(length: number): SocketOption {
  return { level: IPPROTO_TCP, name: TCP_FASTOPEN, value: integer(length), state: 'listening' };
}

/** Sets those options of a listening socket that are for the state, or all of them. Throws an Error that names one. */
export function setOptions(server: net.Server, options: readonly SocketOption[], state?: SocketOption['state']): void {
  if (options.length > 0) apply(needed(), fdOf(server), options, state);
}

function needed(): Calls {
  const functions = load();
  if (functions === null) throw new Error('socket options cannot be set here');
  return functions;
}

function apply(
  functions: Calls,
  fd: number,
  options: readonly SocketOption[],
  state: SocketOption['state'] | undefined,
): void {
  for (const { level, name, value, state: when } of options) {
    if (state !== undefined && when !== state) continue;
    if (!set(functions, fd, level, name, value)) throw new SocketOptionError(level, name);
  }
}

/** What a socket of this process's own making is to be. */
interface SocketSpec {
  readonly family: 4 | 6;
  readonly options: readonly SocketOption[];
  /** Undefined where the system chooses. */
  readonly address: SocketAddress | undefined;
  /** Carries a connection over several paths (RFC 8684). */
  readonly multipath?: boolean;
}

/** Makes a socket and binds it; it is the caller's to close. Throws an Error that says what cannot be. */
function open({ family, options, address, multipath = false }: SocketSpec): number {
  const functions = needed();
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = functions.socket(family === 6 ? AF_INET6 : AF_INET, type, multipath ? IPPROTO_MPTCP : 0);
  if (fd < 0) throw new Error(multipath ? 'there is no Multipath TCP here' : 'no more sockets can be opened');
  try {
    apply(functions, fd, options, 'prebind');
    if (address !== undefined) {
      const name = sockaddr(address);
      if (functions.bind(fd, name, name.length) !== 0) throw new BindError(address, functions.errno());
      apply(functions, fd, options, 'bound');
    }
  } catch (error) {
    functions.close(fd);
    throw error;
  }
  return fd;
}

/** An option that the kernel does not take. */
export class SocketOptionError extends Error {
  constructor(level: number, name: number) {
    super(`socket option ${level}/${name} cannot be set`);
  }
}

const REASONS: Readonly<Record<number, string>> = {
  [constants.errno.EADDRINUSE]: 'Address already in use',
  [constants.errno.EACCES]: 'Permission denied',
};

/** An address that cannot be had. */
export class BindError extends Error {
  readonly address: SocketAddress;

  constructor(address: SocketAddress, errno: number) {
    super(REASONS[errno] ?? 'Cannot assign requested address');
    this.address = address;
  }
}

/** A descriptor to listen on, which has its address and those options that come before. */
export function listeningDescriptor(
  address: SocketAddress & { readonly family: 4 | 6 },
  options: readonly SocketOption[],
  { reusePort, multipath }: { readonly reusePort: boolean; readonly multipath: boolean },
): number {
  const flag = (level: number, name: number): SocketOption => ({ level, name, value: integer(1), state: 'prebind' });
  const own = [flag(SOL_SOCKET, SO_REUSEADDR)];
  if (reusePort) own.push(flag(SOL_SOCKET, SO_REUSEPORT));
  if (address.family === 6 && address.ipv4Compat !== true) own.push(flag(SOL_IPV6, IPV6_V6ONLY));
  return open({ family: address.family, options: [...own, ...options], address, multipath });
}

/** A socket with options that is to be connected. Throws an Error that says why it cannot be; it is Node's to close. */
export function preparedSocket(spec: SocketSpec): net.Socket {
  return new net.Socket({ fd: open(spec), manualStart: true, allowHalfOpen: true } as net.SocketConstructorOpts);
}

/** An address that a connection is made from though it is another machine's, and the mark of its packets; 0 for none. */
export interface ForeignSource {
  readonly address: SocketAddress;
  readonly mark: number;
}

/** A socket that is bound to an address of another machine, and is to be connected; as {@link preparedSocket}. */
export function foreignSocket({ address, mark }: ForeignSource, more: readonly SocketOption[] = []): net.Socket {
  const functions = load();
  const family = address.family === 6 ? 6 : 4;
  if (functions === null) throw new Error('IP_TRANSPARENT cannot be set here');
  const [level, name] = family === 6 ? [SOL_IPV6, IPV6_TRANSPARENT] : [SOL_IP, IP_TRANSPARENT];
  const options: SocketOption[] = [{ level, name, value: integer(1), state: 'prebind' }];
  if (mark !== 0) options.push({ level: SOL_SOCKET, name: SO_MARK, value: integer(mark), state: 'prebind' });
  try {
    return preparedSocket({ family, options: [...options, ...more], address });
  } catch (error) {
    const isTransparent = (error as Error).message === `socket option ${level}/${name} cannot be set`;
    throw isTransparent ? new Error('IP_TRANSPARENT cannot be set: CAP_NET_ADMIN is needed') : error;
  }
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
