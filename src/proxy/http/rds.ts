import { fromBinary } from '@bufbuild/protobuf';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { TYPE_URL_PREFIX } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection, Subscription } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import type { ConfigSourceSpec, WorkerContext } from '../context.ts';
import type { InitTarget } from '../net/network-filter.ts';
import type { StatLease, StatsStore } from '../observe/stats.ts';
import { ReloadingSubscriptionStats } from '../observe/subscription-stats.ts';
import { RouteTable } from '../router/route-table.ts';
import type { FilterConfigCompiler } from '../router/scope.ts';
import { SUPPORTED } from '../router/supported.ts';
import type { RouteProvider } from './route-provider.ts';

const TYPE = TYPE_URL_PREFIX + RouteConfigurationSchema.typeName;

/** The routes of one name that RDS sends; shared by all connection managers that use the name. */
export class RdsRoutes implements RouteProvider, InitTarget {
  readonly name: string;
  table: RouteTable | undefined = undefined;
  version = '';
  lastUpdated = 0;
  users = 0;
  readonly stats: StatLease<ReloadingSubscriptionStats>;
  #answered = false;
  #waiting: (() => void)[] = [];

  constructor(name: string, stats: StatLease<ReloadingSubscriptionStats>) {
    this.name = name;
    this.stats = stats;
  }

  whenReady(callback: () => void): void {
    if (this.#answered) callback();
    else this.#waiting.push(callback);
  }

  /** The first answer has come: routes, or that there are none. */
  answered(): void {
    this.#answered = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}

/** Compiles a route configuration; undefined and errors if it cannot be honoured. */
export function compileRoutes(
  proto: RouteConfiguration,
  filters: FilterConfigCompiler,
  stats: StatsStore,
  errors: ConfigErrors,
): RouteTable | undefined {
  checkSupported(RouteConfigurationSchema, proto, SUPPORTED, errors);
  if (errors.any) return undefined;
  const table = RouteTable.compile(proto, filters, stats, errors);
  if (!errors.any) return table;
  table.dispose();
  return undefined;
}

/** RDS: one subscription a source, for the names that listeners use. */
export class RouteSubscriptions {
  readonly #worker: WorkerContext;
  readonly #filters: FilterConfigCompiler;
  readonly #sources = new Map<string, SourceRoutes>();
  readonly #inline = new Set<InlineRoutes>();

  constructor(worker: WorkerContext, filters: FilterConfigCompiler) {
    this.#worker = worker;
    this.#filters = filters;
  }

  /** Notes routes that stand in a listener, for dumps; the returned function ends that. */
  addInline(proto: RouteConfiguration): () => void {
    const routes = { proto, lastUpdated: this.#worker.timers.wallClock() };
    this.#inline.add(routes);
    return () => this.#inline.delete(routes);
  }

  inline(): Iterable<InlineRoutes> {
    return this.#inline;
  }

  /**
   * The routes of a name, from now until `release` is called as often as this. What is counted of the subscription
   * stands under the prefix of whoever came first.
   */
  acquire(source: ConfigSourceSpec, name: string, statPrefix: string): RdsRoutes {
    const key = JSON.stringify(source);
    let routes = this.#sources.get(key);
    if (routes === undefined) {
      routes = new SourceRoutes(this.#worker, this.#filters, source);
      this.#sources.set(key, routes);
    }
    return routes.acquire(name, statPrefix);
  }

  release(routes: RdsRoutes): void {
    for (const source of this.#sources.values()) source.release(routes);
  }

  *all(): Generator<RdsRoutes> {
    for (const source of this.#sources.values()) yield* source.all();
  }
}

/** Routes that stand in a listener. */
export interface InlineRoutes {
  readonly proto: RouteConfiguration;
  readonly lastUpdated: number;
}

class SourceRoutes {
  readonly #worker: WorkerContext;
  readonly #filters: FilterConfigCompiler;
  readonly #source: ConfigSourceSpec;
  readonly #routes = new Map<string, RdsRoutes>();
  #subscription: Subscription | undefined = undefined;
  #dirty = false;

  constructor(worker: WorkerContext, filters: FilterConfigCompiler, source: ConfigSourceSpec) {
    this.#worker = worker;
    this.#filters = filters;
    this.#source = source;
  }

  all(): Iterable<RdsRoutes> {
    return this.#routes.values();
  }

  acquire(name: string, statPrefix: string): RdsRoutes {
    let routes = this.#routes.get(name);
    if (routes === undefined) {
      const stats = this.#worker.stats.acquire(`http.${statPrefix}.rds.${name}.`, ReloadingSubscriptionStats);
      stats.group.attempt();
      routes = new RdsRoutes(name, stats);
      this.#routes.set(name, routes);
      this.#noteNames();
    }
    routes.users++;
    return routes;
  }

  release(routes: RdsRoutes): void {
    if (this.#routes.get(routes.name) !== routes || --routes.users > 0) return;
    this.#routes.delete(routes.name);
    routes.table?.dispose();
    routes.stats.release();
    this.#noteNames();
  }

  /** A listener update changes many names: they are asked for together when it is over. */
  #noteNames(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    queueMicrotask(() => {
      this.#dirty = false;
      const names = [...this.#routes.keys()];
      if (this.#subscription) this.#subscription.setNames(names);
      else if (names.length > 0) this.#subscribe(names);
    });
  }

  #subscribe(names: readonly string[]): void {
    this.#subscription = this.#worker.configSource(this.#source).subscribe(TYPE, names, {
      onUpdate: (resources, removed, settle) => {
        this.#worker.flushQueue.run(() => {
          settle(resources.flatMap((resource) => this.#take(resource)));
          for (const name of removed) {
            const routes = this.#routes.get(name);
            if (routes === undefined) continue;
            routes.stats.group.update_empty++;
            routes.table?.dispose();
            routes.table = undefined;
          }
        });
      },
      onMissing: (missing) => {
        for (const name of missing) this.#routes.get(name)?.answered();
      },
    });
  }

  #take({ name, version, bytes }: RawResource): Rejection[] {
    const errors = new ConfigErrors();
    const routes = this.#routes.get(name);
    if (routes === undefined) return [];
    const stats = routes.stats.group;
    stats.attempt();
    try {
      const proto = fromBinary(RouteConfigurationSchema, bytes);
      const table = compileRoutes(proto, this.#filters, this.#worker.stats, errors);
      if (table !== undefined) {
        routes.table?.dispose();
        routes.table = table;
        routes.version = version;
        routes.lastUpdated = this.#worker.timers.wallClock();
        stats.success(version, routes.lastUpdated);
        stats.reloaded(routes.lastUpdated);
        routes.answered();
        return [];
      }
      // Refused routes are an answer too: the listener comes up and says 404 rather than nothing.
      routes.answered();
    } catch (error) {
      errors.add('', messageOf(error));
    }
    stats.rejected();
    return [{ name, reason: errors.toString() }];
  }
}
