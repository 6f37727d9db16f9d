import { fromBinary } from '@bufbuild/protobuf';
import { type Listener as ListenerProto, ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { TYPE_URL_PREFIX } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection, Subscription } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { ConfigSourceSpec } from '../config/source-spec.ts';
import { StatGroup } from '../observe/stats.ts';
import { ConfigSubscriptionStats } from '../observe/subscription-stats.ts';
import type { ListenerLookup } from './accepting-listener.ts';
import { formatAddress, type SocketAddress } from './connection.ts';
import { Listener } from './listener.ts';
import { compileListener, disposeChain, type ListenerConfig, type ListenerEnvironment } from './listener-config.ts';
import { bindInPlace, sameSockets, sharePlace } from './listener-sockets.ts';
import type { InitTarget } from './network-filter.ts';

const TYPE = TYPE_URL_PREFIX + ListenerSchema.typeName;

class ListenerManagerStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set([
    'total_filter_chains_draining',
    'total_listeners_active',
    'total_listeners_draining',
    'total_listeners_warming',
    'workers_pinned',
    'workers_started',
  ]);
  override readonly setWith = { total_listeners_warming: '' };
  listener_added = 0;
  listener_create_failure = 0;
  listener_create_success = 0;
  listener_in_place_updated = 0;
  listener_modified = 0;
  listener_removed = 0;
  listener_stopped = 0;
  total_filter_chains_draining = 0;
  total_listeners_active = 0;
  total_listeners_draining = 0;
  total_listeners_warming = 0;
  workers_pinned = 0;
  workers_started = 0;
}

interface Entry {
  readonly listener: Listener;
  readonly proto: ListenerProto;
  readonly version: string;
  readonly lastUpdated: number;
  readonly dynamic: boolean;
}

/** One version of a listener. */
export interface ListenerVersion {
  readonly proto: ListenerProto;
  readonly version: string;
  readonly lastUpdated: number;
}

/** An update that was refused. */
export interface ListenerError {
  readonly details: string;
  readonly lastAttempt: number;
  readonly version: string;
  /** Undefined if it could not be decoded. */
  readonly proto: ListenerProto | undefined;
}

/** A listener as `/config_dump` shows it. */
export interface ListenerDump {
  readonly name: string;
  readonly dynamic: boolean;
  readonly active: ListenerVersion | undefined;
  readonly warming: ListenerVersion | undefined;
  readonly draining: ListenerVersion | undefined;
  /** Why the last update of it was refused, or undefined. */
  readonly error: ListenerError | undefined;
}

interface Warming {
  readonly config: ListenerConfig;
  readonly proto: ListenerProto;
  readonly version: string;
  readonly lastUpdated: number;
  readonly dynamic: boolean;
  cancelled: boolean;
}

/** All listeners of a worker: those of the bootstrap, and those that LDS sends. */
export class ListenerManager implements ListenerLookup {
  readonly stats = new ListenerManagerStats();
  readonly #environment: ListenerEnvironment;
  readonly #drainMs: number;
  readonly #active = new Map<string, Entry>();
  readonly #warming = new Map<string, Warming>();
  readonly #draining = new Map<string, ListenerVersion>();
  readonly #errors = new Map<string, ListenerError>();
  readonly #ldsStats = new ConfigSubscriptionStats();
  #lds: Subscription | undefined = undefined;
  #ldsAnswered = false;
  #whenInitialized: (() => void) | undefined = undefined;
  #drainAll = false;

  constructor(environment: ListenerEnvironment, drainMs: number) {
    this.#environment = environment;
    this.#drainMs = drainMs;
    environment.worker.stats.add('listener_manager.', this.stats);
  }

  /** `version_info` of the last LDS update that was taken. */
  get version(): string {
    return this.#ldsStats.version_text;
  }

  *dump(): Generator<ListenerDump> {
    const names = new Set(
      [...this.#active, ...this.#warming, ...this.#draining, ...this.#errors].map(([name]) => name),
    );
    for (const name of names) {
      const active = this.#active.get(name);
      const warming = this.#warming.get(name);
      yield {
        name,
        dynamic: (active ?? warming)?.dynamic ?? true,
        active,
        warming,
        draining: this.#draining.get(name),
        error: this.#errors.get(name),
      };
    }
  }

  /** The listeners that take connections, with where they really listen. */
  *listening(): Generator<{
    readonly name: string;
    readonly listener: Listener;
    readonly addresses: readonly SocketAddress[];
  }> {
    for (const [name, { listener }] of this.#active) yield { name, listener, addresses: listener.shownAddresses };
  }

  /** Listeners that cannot take connections yet, and LDS while nothing has come: what the start waits for. */
  unready(): string[] {
    const names = [...this.#warming.keys()].map((name) => `Listener-init-target ${name}`);
    return this.#lds !== undefined && !this.#ldsAnswered ? [...names, 'LDS'] : names;
  }

  byAddress(address: SocketAddress): Listener | undefined {
    let any: Listener | undefined;
    for (const { listener } of this.#active.values()) {
      for (const at of listener.config.addresses) {
        if (at.port !== address.port || listener.config.useOriginalDst) continue;
        if (at.address === address.address) return listener;
        if (at.address === '0.0.0.0' || at.address === '::') any = listener;
      }
    }
    return any;
  }

  /** Adds a listener of the bootstrap. Rejects if it cannot listen. */
  async addStatic(proto: ListenerProto, errors: ConfigErrors): Promise<void> {
    const config = compileListener(proto, this.#environment, undefined, errors);
    if (config === undefined) return;
    const name = proto.name || formatAddress(config.addresses[0]);
    await new Promise<void>((resolve, reject) => {
      const lastUpdated = this.#environment.worker.timers.wallClock();
      this.#warm(name, { config, proto, version: '', lastUpdated, dynamic: false, cancelled: false }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  /** Compiles a listener of the bootstrap, and opens nothing of it. */
  check(proto: ListenerProto, errors: ConfigErrors): void {
    const config = compileListener(proto, this.#environment, undefined, errors);
    for (const chain of config?.chains ?? []) disposeChain(chain);
  }

  /** Subscribes to LDS. */
  subscribe(source: ConfigSourceSpec): void {
    const { worker } = this.#environment;
    worker.stats.add('listener_manager.lds.', this.#ldsStats);
    this.#lds = worker.configSource(source).subscribe(
      TYPE,
      undefined,
      {
        onUpdate: (resources, removed, settle) => {
          worker.flushQueue.run(() => this.#update(resources, removed, settle));
        },
        onMissing: () => {
          this.#ldsAnswered = true;
          this.#checkInitialized();
        },
      },
      { stats: this.#ldsStats },
    );
  }

  /** Calls back once when the listeners of the bootstrap, and of the first LDS update if there is LDS, take connections. */
  whenInitialized(callback: () => void): void {
    this.#whenInitialized = callback;
    this.#checkInitialized();
  }

  #checkInitialized(): void {
    if (this.#whenInitialized === undefined || this.#warming.size > 0) return;
    if (this.#lds !== undefined && !this.#ldsAnswered) return;
    const callback = this.#whenInitialized;
    this.#whenInitialized = undefined;
    this.stats.workers_started = 1;
    callback();
  }

  #update(
    resources: readonly RawResource[],
    removed: readonly string[],
    settle: (rejections: readonly Rejection[]) => void,
  ): void {
    const rejections: Rejection[] = [];
    let binding = 1;
    const done = () => {
      if (--binding > 0) return;
      this.#ldsAnswered = true;
      settle(rejections);
      this.#checkInitialized();
    };
    for (const name of removed) this.#remove(name);
    for (const { name, version, bytes } of resources) {
      // One that waits for its routes has been accounted for by the time its sockets listen.
      let told = false;
      binding++;
      const account = (error?: Error) => {
        const rejection = error && this.#reject(name, messageOf(error), version, bytes);
        if (told) return;
        told = true;
        if (rejection) rejections.push(rejection);
        done();
      };
      const problem = this.#take(name, version, bytes, account);
      if (problem !== undefined) account(problem === '' ? undefined : new Error(problem));
    }
    done();
  }

  #reject(name: string, reason: string, version: string, refused: Uint8Array | ListenerProto): Rejection {
    this.stats.listener_create_failure++;
    const lastAttempt = this.#environment.worker.timers.wallClock();
    this.#errors.set(name, { details: reason, lastAttempt, version, proto: decoded(refused) });
    return { name, reason };
  }

  /**
   * Takes one listener. Returns what is wrong with it, an empty string if nothing is to be done, or undefined if it is
   * on its way: `bound` is called when its sockets listen, which is all that an ACK waits for.
   */
  #take(name: string, version: string, bytes: Uint8Array, bound: (error?: Error) => void): string | undefined {
    const errors = new ConfigErrors(this.#environment.worker.unknownFields);
    try {
      const proto = fromBinary(ListenerSchema, bytes);
      const key = proto.name || name;
      const before = this.#active.get(key);
      if (before?.dynamic === false) return '';
      const config = compileListener(proto, this.#environment, before?.listener.config, errors);
      if (config === undefined) return errors.toString();
      const others = this.#portOwner(config, key);
      if (others !== undefined) {
        for (const chain of config.chains) if (!before?.listener.config.chains.includes(chain)) disposeChain(chain);
        config.filters.dispose();
        return `error adding listener: '${key}' has duplicate address '${formatAddress(config.addresses[0])}' as existing listener '${others}'`;
      }
      this.#errors.delete(key);
      const lastUpdated = this.#environment.worker.timers.wallClock();
      this.#warm(key, { config, proto, version, lastUpdated, dynamic: true, cancelled: false }, bound);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  #portOwner(config: ListenerConfig, name: string): string | undefined {
    if (!config.bindToPort) return undefined;
    for (const [other, { listener }] of this.#active) {
      if (other === name || !listener.config.bindToPort) continue;
      if (sharePlace(listener.config, config)) return other;
    }
    return undefined;
  }

  /** Waits for what the listener needs, then puts it in the place of the one before. */
  #warm(name: string, warming: Warming, bound: (error?: Error) => void): void {
    const earlier = this.#warming.get(name);
    if (earlier !== undefined) this.#cancelWarming(name, earlier, warming.config);
    this.#warming.set(name, warming);
    this.#note();
    // An ACK says that the update was taken, not that everything it refers to has come.
    if (warming.dynamic && warming.config.pending.length > 0) bound();
    whenAllReady(warming.config.pending, () => {
      if (warming.cancelled) return;
      void this.#activate(name, warming).then(
        () => {
          if (!(warming.dynamic && warming.config.pending.length > 0)) bound();
        },
        (error: Error) => {
          this.#warming.delete(name);
          this.#note();
          this.#environment.worker.log.warn(`listener ${name}: ${messageOf(error)}`);
          if (warming.dynamic && warming.config.pending.length > 0) {
            this.#reject(name, messageOf(error), warming.version, warming.proto);
          } else bound(error);
          this.#checkInitialized();
        },
      );
    });
  }

  async #activate(name: string, warming: Warming): Promise<void> {
    const { worker, clusters, limits } = this.#environment;
    const { config, proto, version, dynamic } = warming;
    const before = this.#active.get(name);
    const entry = { proto, version, dynamic, lastUpdated: worker.timers.wallClock() };
    if (before !== undefined && sameSockets(before.listener.config, config)) {
      this.#warming.delete(name);
      before.listener.update(config, this.#drainMs);
      this.stats.listener_in_place_updated++;
      this.stats.listener_modified++;
      this.#active.set(name, { ...entry, listener: before.listener });
    } else {
      const listener = new Listener(config, worker, clusters, this, limits);
      await bindInPlace(listener, before?.listener);
      if (warming.cancelled) {
        listener.closeSockets();
        return;
      }
      this.#warming.delete(name);
      if (before) this.#end(name, before);
      if (before) this.stats.listener_modified++;
      else this.stats.listener_added++;
      this.#active.set(name, { ...entry, listener });
      if (this.#drainAll) listener.drain();
    }
    this.stats.listener_create_success++;
    this.#note();
    this.#checkInitialized();
  }

  #cancelWarming(name: string, warming: Warming, replacement: ListenerConfig | undefined): void {
    warming.cancelled = true;
    this.#warming.delete(name);
    const kept = new Set([...(replacement?.chains ?? []), ...(this.#active.get(name)?.listener.config.chains ?? [])]);
    for (const chain of warming.config.chains) if (!kept.has(chain)) disposeChain(chain);
    warming.config.filters.dispose();
  }

  #remove(name: string): void {
    const warming = this.#warming.get(name);
    if (warming?.dynamic) this.#cancelWarming(name, warming, undefined);
    const entry = this.#active.get(name);
    if (entry?.dynamic) {
      this.#active.delete(name);
      this.#end(name, entry);
      this.stats.listener_removed++;
    }
    this.#errors.delete(name);
    this.#note();
  }

  /** Closes a listener that is replaced or removed; it shows as draining for as long as its connections may take. */
  #end(name: string, entry: Entry): void {
    entry.listener.close(this.#drainMs);
    if (this.#drainMs <= 0) return;
    this.#draining.set(name, entry);
    this.#environment.worker.timers.start(this.#drainMs, () => {
      if (this.#draining.get(name) === entry) this.#draining.delete(name);
      this.#note();
    });
  }

  #note(): void {
    this.stats.total_listeners_draining = this.#draining.size;
    this.stats.total_listeners_active = this.#active.size;
    this.stats.total_listeners_warming = this.#warming.size;
  }

  /**
   * Ends listeners (`/drain_listeners`). Gracefully: connections are asked to end, and after the drain time no new ones
   * are taken, unless `skipExit`. Otherwise no new ones are taken from now on, and the others go on.
   */
  drain(options: { readonly graceful: boolean; readonly inboundOnly: boolean; readonly skipExit?: boolean }): void {
    const graceful = options.graceful || options.skipExit === true;
    if (!options.inboundOnly && graceful) this.#drainAll = true;
    const wanted = () =>
      [...this.#active.values()].filter(
        ({ listener }) => !options.inboundOnly || listener.config.direction === 'inbound',
      );
    const stop = () => {
      for (const { listener } of wanted()) {
        listener.closeSockets();
        this.stats.listener_stopped++;
      }
    };
    if (!graceful) {
      stop();
      return;
    }
    for (const { listener } of wanted()) listener.drain();
    if (!options.skipExit) this.#environment.worker.timers.start(this.#drainMs, stop);
  }

  /** Connections that are open on all listeners. */
  get activeConnections(): number {
    let count = 0;
    for (const { listener } of this.#active.values()) count += listener.activeConnections;
    return count;
  }

  close(): void {
    this.#lds?.close();
    for (const { listener } of this.#active.values()) listener.close(0);
  }
}

function decoded(refused: Uint8Array | ListenerProto): ListenerProto | undefined {
  if (!(refused instanceof Uint8Array)) return refused;
  try {
    return fromBinary(ListenerSchema, refused);
  } catch {
    return undefined;
  }
}

function whenAllReady(targets: readonly InitTarget[], callback: () => void): void {
  let left = targets.length;
  if (left === 0) {
    callback();
    return;
  }
  for (const target of targets) {
    target.whenReady(() => {
      if (--left === 0) callback();
    });
  }
}
