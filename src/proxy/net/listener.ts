import fs from 'node:fs';
import net from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { RefusalLog } from '../../base/refusal-log.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import type { StatLease } from '../observe/stats.ts';
import type { AcceptingListener, ListenerLookup } from './accepting-listener.ts';
import { formatAddress, type SocketAddress } from './connection.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { IncomingConnection } from './incoming-connection.ts';
import type { FilterChain, ListenerConfig } from './listener-config.ts';
import { disposeChain } from './listener-config.ts';
import { ListenerStats } from './listener-stats.ts';
import { pipePath, removeStaleSocket } from './pipe.ts';
import type { SocketConnection } from './socket-connection.ts';
import { listeningDescriptor, makeTransparent, type SocketOption, setOptions } from './socket-options.ts';

/** An address of this machine, and what the socket there is told. */
interface Place {
  readonly address: SocketAddress;
  readonly options: readonly SocketOption[];
}

const cannotBind = (address: SocketAddress, error: unknown) =>
  new Error(`cannot bind '${formatAddress(address)}': ${messageOf(error)}`);

function descriptor(address: SocketAddress, open: () => number): number {
  try {
    return open();
  } catch (error) {
    throw cannotBind(address, error);
  }
}

/** A listener at work: its sockets, its filter chains, and the connections that they carry. */
export class Listener implements AcceptingListener {
  readonly name: string;
  readonly stats: ListenerStats;
  readonly refusals: RefusalLog;
  config: ListenerConfig;
  readonly #worker: WorkerContext;
  readonly #clusters: ClusterSource;
  readonly #lookup: ListenerLookup;
  readonly #limits: ConnectionLimits;
  readonly #statsLease: StatLease<ListenerStats>;
  #servers: net.Server[] = [];
  /** Where each was to listen, as an address. */
  readonly #asked = new WeakMap<net.Server, string>();
  /** Has it hear no more of other places to listen at. */
  #forget: (() => void) | undefined = undefined;
  /** Those whose places others listen at too. */
  readonly #shared = new WeakSet<net.Server>();
  readonly #connections = new Map<FilterChain, Set<SocketConnection>>();
  /** Sockets that were accepted and are not closed, whatever has become of them. */
  #openSockets = 0;

  constructor(
    config: ListenerConfig,
    worker: WorkerContext,
    clusters: ClusterSource,
    lookup: ListenerLookup,
    limits: ConnectionLimits,
  ) {
    this.name = config.name;
    this.config = config;
    this.#worker = worker;
    this.#clusters = clusters;
    this.#lookup = lookup;
    this.#limits = limits;
    this.#statsLease = worker.stats.acquire(config.statPrefix, ListenerStats);
    this.stats = this.#statsLease.group;
    this.refusals = new RefusalLog(worker.log, worker.timers.now());
  }

  get worker(): WorkerContext {
    return this.#worker;
  }

  get clusters(): ClusterSource {
    return this.#clusters;
  }

  get lookup(): ListenerLookup {
    return this.#lookup;
  }

  /** Where it listens, or where connections that are handed over to it come from. */
  get shownAddresses(): readonly SocketAddress[] {
    return this.config.bindToPort && this.#servers.length > 0 ? this.boundAddresses : this.config.addresses;
  }

  /** Where it really listens: the port that the system gave for port 0. */
  get boundAddresses(): SocketAddress[] {
    return this.#servers.flatMap((server): SocketAddress[] => {
      const at = server.address();
      if (at === null) return [];
      if (typeof at === 'string') return [{ address: at, port: 0, family: 0 }];
      return [{ address: at.address, port: at.port, family: at.family === 'IPv6' ? 6 : 4 }];
    });
  }

  /** Starts to listen. Rejects with what the system said, and then listens on nothing. */
  async bind(): Promise<void> {
    if (!this.config.bindToPort) return;
    try {
      for (const place of this.#places()) this.#servers.push(await this.#open(place));
    } catch (error) {
      this.closeSockets();
      throw error;
    }
    let work = Promise.resolve();
    this.#forget = this.#worker.addresses.onChange?.(() => (work = work.then(() => this.#bindAgain())));
  }

  /** Where it is to listen, as addresses of this machine. */
  #places(): Place[] {
    return this.config.addresses.flatMap((address, i) => {
      const options = this.config.socketOptions[i] ?? [];
      return this.#worker.addresses.bind(address).map((at) => ({ address: at, options }));
    });
  }

  /** Listens where it has to by now, and where it did and still has to without a break. */
  async #bindAgain(): Promise<void> {
    const wanted = new Map(this.#places().map((place) => [formatAddress(place.address), place]));
    const gone = this.#servers.filter((server) => !wanted.delete(this.#asked.get(server)!));
    for (const server of gone) server.close();
    this.#servers = this.#servers.filter((server) => !gone.includes(server));
    for (const place of wanted.values()) {
      try {
        const server = await this.#open(place);
        if (this.#forget === undefined) server.close();
        else this.#servers.push(server);
      } catch (error) {
        this.#worker.log.warn(`listener ${this.name}: ${messageOf(error)}`);
      }
    }
  }

  async #open({ address, options }: Place): Promise<net.Server> {
    const handed = await this.#worker.addresses.listening?.(address);
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      this.accept(socket);
    });
    const isShared = this.#worker.addresses.isShared?.(address) ?? false;
    const { multipath, backlog } = this.config;
    const { family } = address;
    const where =
      family === 0
        ? { path: pipePath(address.address) }
        : handed === undefined && (options.length > 0 || multipath)
          ? {
              fd: descriptor(address, () =>
                listeningDescriptor({ ...address, family }, options, { reusePort: isShared, multipath }),
              ),
              backlog,
            }
          : {
              host: address.address,
              port: address.port,
              backlog,
              ipv6Only: address.family === 6 && address.ipv4Compat !== true,
              reusePort: isShared,
            };
    if (isShared) this.#shared.add(server);
    this.#asked.set(server, formatAddress(address));
    if (address.family === 0 && handed === undefined) removeStaleSocket(address.address);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(cannotBind(address, error));
      server.once('error', fail);
      server.listen(handed ?? where, () => {
        server.removeListener('error', fail);
        try {
          if (this.config.transparent && address.family !== 0) makeTransparent(server, address.family);
          // Whoever made a socket that was handed over has set none of them.
          setOptions(server, options, handed === undefined ? 'listening' : undefined);
          if (address.mode !== undefined) fs.chmodSync(address.address, address.mode);
        } catch (error) {
          server.close();
          fail(error as Error);
          return;
        }
        server.on('error', (error) => this.#worker.log.warn(`listener ${this.name}: ${messageOf(error)}`));
        resolve(server);
      });
    });
  }

  /** A connection has come, or another listener hands one over that was captured for this one. */
  accept(socket: net.Socket): void {
    const { flushQueue, timers } = this.#worker;
    if (this.#isFull()) {
      socket.destroy();
      return;
    }
    this.#openSockets++;
    this.#limits.take();
    socket.once('close', this.#onSocketClosed);
    this.stats.connections_accepted_per_socket_event.record(1);
    flushQueue.run(() => {
      timers.newEvent();
      new IncomingConnection(this, socket).start();
    });
  }

  readonly #onSocketClosed = (): void => {
    this.#openSockets--;
    this.#limits.free();
  };

  /** Whether there is no room for one more connection, and counts why. */
  #isFull(): boolean {
    if (!this.#limits.hasRoom && !this.config.ignoreGlobalLimit) {
      this.stats.downstream_global_cx_overflow++;
      return true;
    }
    if (this.#openSockets < this.#limits.ofListener(this.name)) return false;
    this.stats.downstream_cx_overflow++;
    return true;
  }

  opened(): void {
    this.stats.downstream_cx_total++;
    this.stats.downstream_cx_active++;
  }

  closed(lengthMs: number): void {
    this.stats.downstream_cx_active--;
    this.stats.downstream_cx_length_ms.record(lengthMs);
    this.stats.downstream_cx_destroy++;
  }

  track(chain: FilterChain, connection: SocketConnection): void {
    let set = this.#connections.get(chain);
    if (set === undefined) this.#connections.set(chain, (set = new Set()));
    set.add(connection);
  }

  untrack(chain: FilterChain, connection: SocketConnection): void {
    const set = this.#connections.get(chain);
    set?.delete(connection);
    if (set?.size === 0) this.#connections.delete(chain);
  }

  get activeConnections(): number {
    return this.stats.downstream_cx_active;
  }

  /** Takes over a new configuration on the same sockets: chains that are gone drain, the others do not notice. */
  update(config: ListenerConfig, drainMs: number): void {
    const before = this.config;
    this.config = config;
    before.filters.dispose();
    const kept = new Set(config.chains);
    for (const chain of before.chains) if (!kept.has(chain)) this.#drainChain(chain, drainMs);
  }

  #drainChain(chain: FilterChain, drainMs: number): void {
    this.#worker.flushQueue.run(() => chain.drain.begin());
    disposeChain(chain);
    if (!this.#connections.has(chain)) return;
    this.#worker.timers.start(drainMs, () => {
      for (const connection of this.#connections.get(chain) ?? []) connection.close('drain timeout');
    });
  }

  /** Takes no new connections. */
  closeSockets(): void {
    this.#forget?.();
    this.#forget = undefined;
    for (const server of this.#servers) server.close();
    this.#servers = [];
  }

  /** Asks all connections to end when they can, without closing the listener but where others listen too. */
  drain(): void {
    for (const server of this.#servers) if (this.#shared.has(server)) server.close();
    this.#servers = this.#servers.filter((server) => !this.#shared.has(server));
    this.#worker.flushQueue.run(() => {
      for (const chain of this.config.chains) chain.drain.begin(true);
    });
  }

  /** Ends the listener: no new connections, the present ones drain and are dropped when their time is up. */
  close(drainMs: number): void {
    this.closeSockets();
    for (const chain of this.config.chains) this.#drainChain(chain, drainMs);
    this.config.filters.dispose();
    this.#statsLease.release();
  }
}
