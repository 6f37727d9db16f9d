import fs from 'node:fs';

/** A TCP socket that listens, as Linux tells in /proc. */
export interface ListeningSocket {
  readonly address: string;
  readonly port: number;
  readonly inode: number;
}

/** A process that has a socket. */
export interface SocketOwner {
  readonly pid: number;
  /** Its command line, shortened. */
  readonly command: string;
}

const LISTEN = '0A';
const MAX_COMMAND = 80;

/** Every TCP socket that listens in the network of a process. Empty where there is no /proc. */
export function listeningSockets(pid: number | 'self' = 'self'): ListeningSocket[] {
  return [...parse(read(`/proc/${pid}/net/tcp`)), ...parse(read(`/proc/${pid}/net/tcp6`))];
}

/** Reads the text of /proc/net/tcp or tcp6. */
export function parse(text: string): ListeningSocket[] {
  const sockets: ListeningSocket[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address, port] = local?.split(':') ?? [];
    if (state !== LISTEN || address === undefined || port === undefined) continue;
    sockets.push({ address: readAddress(address), port: Number.parseInt(port, 16), inode: Number(inode) });
  }
  return sockets;
}

/** The kernel prints words of 32 bits in the machine's order of bytes, which is little-endian wherever Node runs. */
function readAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return bytes.subarray(12).join('.');
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':');
}

/** Who listens where a socket on this address and port would be in the way, if that can be found out. */
export function ownerOf(address: string, port: number): SocketOwner | undefined {
  const inodes = new Set(
    listeningSockets()
      .filter((socket) => socket.port === port && overlaps(socket.address, address))
      .map((socket) => socket.inode),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of processes()) {
    if (inodesOf(pid).some((inode) => inodes.has(inode))) return { pid, command: commandOf(pid) };
  }
  return undefined;
}

/** The sockets on which a process group listens. */
export function listeningSocketsOf(group: number): ListeningSocket[] {
  const inodes = new Set(
    processes()
      .filter((pid) => groupOf(pid) === group)
      .flatMap(inodesOf),
  );
  return inodes.size === 0 ? [] : listeningSockets().filter((socket) => inodes.has(socket.inode));
}

export function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function overlaps(a: string, b: string): boolean {
  return a === b || isAnyAddress(a) || isAnyAddress(b);
}

function processes(): number[] {
  try {
    return fs.readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function inodesOf(pid: number): number[] {
  let names: string[];
  try {
    names = fs.readdirSync(`/proc/${pid}/fd`);
  } catch {
    // It has gone, or is not ours to look into.
    return [];
  }
  return names.flatMap((name) => {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${name}`));
      return match ? [Number(match[1])] : [];
    } catch {
      return [];
    }
  });
}

function groupOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name of the program stands in parentheses and may hold anything.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

function commandOf(pid: number): string {
  const text = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
  return text.length > MAX_COMMAND ? `${text.slice(0, MAX_COMMAND)}...` : text;
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
