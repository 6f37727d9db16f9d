import net from 'node:net';
import { codeOf, UserError } from '../base/errors.ts';
import { AddressPool, MAX_SLOTS, type PodNetworkKind, podPrefixOf } from '../process/address-pool.ts';
import { ownerOf } from '../process/listening-sockets.ts';
import { claim, giveBack } from './capture/claim.ts';

/** A share of the addresses, held for as long as its socket is open. */
export interface Slot {
  readonly number: number;
  readonly pool: AddressPool;
  release(): void;
}

/** The port that a mesh holds at the last address of its block, so that no other mesh of the machine takes the block. */
const LOCK_PORT = 15099;

/** Takes the first share that no other mesh has, whoever runs it. */
export async function takeSlot(kind: PodNetworkKind = 'loopback'): Promise<Slot> {
  for (let number = 0; number < MAX_SLOTS; number++) {
    const lock = await lockSlot(number);
    if (typeof lock === 'object') {
      if (kind === 'loopback') return { number, pool: new AddressPool(number, kind), release: () => lock.close() };
      if (claim(number)) return { number, pool: new AddressPool(number, kind), release: () => release(number, lock) };
      lock.close();
      continue;
    }
    if (lock !== 'EADDRINUSE')
      throw new UserError(
        `addresses of ${podPrefixOf('loopback', number)}0.0/16 cannot be used: ${lock} (on macOS, 127.0.0.1 is the only one)`,
      );
  }
  throw new UserError(`${MAX_SLOTS} meshes run on this machine already`);
}

function release(number: number, lock: { close(): void }): void {
  giveBack(number);
  lock.close();
}

/** Holds a slot until it is closed; the system's code of why not, `EADDRINUSE` where another mesh has it. */
export function lockSlot(number: number): Promise<{ close(): void } | string> {
  return listen(`${podPrefixOf('loopback', number)}255.254`, LOCK_PORT);
}

/** Says who is in the way of a socket, in one line; undefined if nobody is. */
export async function whoIsInTheWay(address: string, port: number): Promise<string | undefined> {
  const server = await listen(address, port);
  if (typeof server === 'object') {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return undefined;
  }
  if (server !== 'EADDRINUSE') return `${address}:${port} cannot be listened on: ${server}`;
  const owner = ownerOf(address, port);
  return `${address}:${port} is in use by ${owner ? `process ${owner.pid} (${owner.command})` : 'another process'}`;
}

/** A server, or the code of why there is none. */
function listen(address: string, port: number): Promise<net.Server | string> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', (error) => resolve(codeOf(error) ?? error.message));
    server.listen({ host: address, port, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Whether ports below 1024 can be listened on. */
export async function mayUseLowPorts(address: string): Promise<boolean> {
  // A port that hardly anybody uses; in use is allowed as well.
  const server = await listen(address, 1023);
  if (typeof server === 'object') await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof server === 'object' || server === 'EADDRINUSE';
}
