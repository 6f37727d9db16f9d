import { fromBinary } from '@bufbuild/protobuf';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { TYPE_URL_PREFIX } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection } from '../../xds/client/config-source.ts';
import { readDataSource } from '../config/data-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { ConfigSourceSpec } from '../config/source-spec.ts';
import { checkSupported } from '../config/supported.ts';
import type { WorkerContext } from '../context.ts';
import { NameSubscription, PerSource } from '../name-subscription.ts';
import { FirstAnswer } from '../net/first-answer.ts';
import type { StatLease } from '../observe/stats.ts';
import { ReloadingSubscriptionStats } from '../observe/subscription-stats.ts';
import { checkClusters } from '../router/cluster-references.ts';
import { type RouteEnvironment, RouteTable } from '../router/route-table.ts';
import type { FilterConfigCompiler } from '../router/scope.ts';
import { SUPPORTED } from '../router/supported.ts';
import type { RouteProvider } from './route-provider.ts';

const TYPE = TYPE_URL_PREFIX + RouteConfigurationSchema.typeName;

/**
 * The routes of one name that RDS sends; shared by all connection managers that use the name. Its first answer may be
 * that there are none.
 */
class RdsRoutes extends FirstAnswer implements RouteProvider {
  readonly name: string;
  table: RouteTable | undefined = undefined;
  version = '';
  lastUpdated = 0;
  users = 0;
  readonly stats: StatLease<ReloadingSubscriptionStats>;

  constructor(name: string, stats: StatLease<ReloadingSubscriptionStats>) {
    super();
    this.name = name;
    this.stats = stats;
  }
}

/** What route configurations are compiled with. */
export function routeEnvironment({ stats, runtime }: WorkerContext, filters: FilterConfigCompiler): RouteEnvironment {
  return { filters, stats, runtime, readData: readDataSource };
}

/** Compiles a route configuration; undefined and errors if it cannot be honoured. */
export function compileRoutes(
  proto: RouteConfiguration,
  environment: RouteEnvironment,
  errors: ConfigErrors,
): RouteTable | undefined {
  checkSupported(RouteConfigurationSchema, proto, SUPPORTED, errors);
  if (errors.any) return undefined;
  const table = RouteTable.compile(proto, environment, errors);
  if (!errors.any) return table;
  table.dispose();
  return undefined;
}

/** RDS: one subscription a source, for the names that listeners use. */
export class RouteSubscriptions {
  readonly #worker: WorkerContext;
  readonly #sources: PerSource<SourceRoutes>;
  readonly #inline = new Set<InlineRoutes>();

  /** `clusterExists`: asked for routes that want to be refused for clusters that there are none of. */
  constructor(worker: WorkerContext, filters: FilterConfigCompiler, clusterExists: (name: string) => boolean) {
    this.#worker = worker;
    this.#sources = new PerSource((source) => new SourceRoutes(worker, filters, clusterExists, source));
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
    return this.#sources.of(source).acquire(name, statPrefix);
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
  readonly #clusterExists: (name: string) => boolean;
  readonly #routes = new Map<string, RdsRoutes>();
  readonly #subscription: NameSubscription;
  /** Whether names are asked for, which counts as an attempt; a file is only read. */
  readonly #asks: boolean;
  #timedOut = false;

  constructor(
    worker: WorkerContext,
    filters: FilterConfigCompiler,
    clusterExists: (name: string) => boolean,
    source: ConfigSourceSpec,
  ) {
    this.#worker = worker;
    this.#asks = source.kind !== 'path';
    this.#filters = filters;
    this.#clusterExists = clusterExists;
    this.#subscription = new NameSubscription(worker, {
      source,
      typeUrl: TYPE,
      names: () => this.#routes.keys(),
      sink: {
        onUpdate: (resources, removed, settle) => {
          worker.flushQueue.run(() => {
            settle(resources.flatMap((resource) => this.#take(resource)));
            for (const name of removed) this.#drop(name);
          });
        },
        onMissing: (missing) => {
          const timedOut = this.#timedOut;
          this.#timedOut = false;
          for (const name of missing) {
            const routes = this.#routes.get(name);
            if (timedOut) routes?.stats.group.initFetchTimeout();
            routes?.answered();
          }
        },
      },
      // Routes count for themselves what comes to them; what happens to the stream or the file happens to all.
      stats: {
        attempt() {},
        success() {},
        rejected() {},
        failure: () => {
          for (const { stats } of this.#routes.values()) {
            stats.group.attempt();
            stats.group.failure();
          }
        },
        // What is missing next is missing because its time is up.
        initFetchTimeout: () => (this.#timedOut = true),
      },
    });
  }

  all(): Iterable<RdsRoutes> {
    return this.#routes.values();
  }

  acquire(name: string, statPrefix: string): RdsRoutes {
    let routes = this.#routes.get(name);
    if (routes === undefined) {
      const stats = this.#worker.stats.acquire(`http.${statPrefix}.rds.${name}.`, ReloadingSubscriptionStats);
      if (this.#asks) stats.group.attempt();
      routes = new RdsRoutes(name, stats);
      this.#routes.set(name, routes);
      this.#subscription.namesChanged();
    }
    routes.users++;
    return routes;
  }

  release(routes: RdsRoutes): void {
    if (this.#routes.get(routes.name) !== routes || --routes.users > 0) return;
    this.#routes.delete(routes.name);
    routes.table?.dispose();
    routes.stats.release();
    this.#subscription.namesChanged();
  }

  /** The server has no such routes any more. */
  #drop(name: string): void {
    const routes = this.#routes.get(name);
    if (routes === undefined) return;
    routes.stats.group.update_empty++;
    routes.table?.dispose();
    routes.table = undefined;
  }

  #take({ name, version, bytes }: RawResource): Rejection[] {
    const errors = new ConfigErrors(this.#worker.unknownFields);
    const routes = this.#routes.get(name);
    if (routes === undefined) return [];
    const stats = routes.stats.group;
    stats.attempt();
    try {
      const proto = fromBinary(RouteConfigurationSchema, bytes);
      if (proto.validateClusters) checkClusters(proto, this.#clusterExists, errors);
      const table = compileRoutes(proto, routeEnvironment(this.#worker, this.#filters), errors);
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
