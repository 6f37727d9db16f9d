import { fromBinary } from '@bufbuild/protobuf';
import { type Cluster as ClusterProto, ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { TYPE_URL_PREFIX } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection, Subscription } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import type { WorkerContext } from '../context.ts';
import { StatGroup } from '../observe/stats.ts';
import { ConfigSubscriptionStats } from '../observe/subscription-stats.ts';
import { ActiveCluster } from './active-cluster.ts';
import type { Cluster, ClusterSource } from './cluster.ts';
import { clusterConfig } from './config.ts';
import type { ClusterDefaults } from './defaults.ts';
import { DnsCaches } from './dns/caches.ts';
import { DnsResolvers } from './dns/resolvers.ts';
import { EndpointSubscriptions } from './endpoint-subscriptions.ts';
import type { ClusterEnvironment } from './environment.ts';
import { EventFiles } from './event-files.ts';
import { SUPPORTED } from './supported.ts';

const CLUSTER_TYPE = TYPE_URL_PREFIX + ClusterSchema.typeName;

class ClusterManagerStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['active_clusters', 'warming_clusters']);
  override readonly setWith = { warming_clusters: '' };
  active_clusters = 0;
  warming_clusters = 0;
  cluster_added = 0;
  cluster_modified = 0;
  cluster_removed = 0;
  cluster_updated = 0;
  cluster_updated_via_merge = 0;
  update_merge_cancelled = 0;
  update_out_of_merge_window = 0;
}

/** A cluster as `/config_dump` shows it. */
export interface ClusterDump {
  readonly proto: ClusterProto;
  readonly version: string;
  readonly lastUpdated: number;
  readonly dynamic: boolean;
  readonly warming: boolean;
}

interface Entry {
  readonly active: ActiveCluster;
  readonly version: string;
  readonly lastUpdated: number;
  readonly dynamic: boolean;
}

/** All clusters of a worker: those of the bootstrap, and those that CDS sends. */
export class ClusterManager implements ClusterSource {
  readonly stats = new ClusterManagerStats();
  /** Names that requests bring, for the clusters that connect to them and the filters that wait for their addresses. */
  readonly dnsCaches: DnsCaches;
  readonly #worker: WorkerContext;
  readonly #environment: ClusterEnvironment;
  readonly #clusters = new Map<string, Entry>();
  /** Clusters whose endpoints or secrets have not come; the entry before, if any, stays in use. */
  readonly #warming = new Map<string, Entry>();
  readonly #onChange = new Set<(name: string) => void>();
  readonly #cdsStats = new ConfigSubscriptionStats();
  #cds: Subscription | undefined = undefined;
  #cdsAnswered = false;
  #whenInitialized: (() => void) | undefined = undefined;
  #whenPrimaryInitialized: (() => void) | undefined = undefined;

  constructor(
    worker: WorkerContext,
    builders: Pick<ClusterEnvironment, 'buildTransport' | 'buildFilters'>,
    defaults: ClusterDefaults,
  ) {
    this.#worker = worker;
    const { localCluster } = defaults;
    const resolvers = new DnsResolvers(worker.stats, worker.addresses.hostsFile);
    this.dnsCaches = new DnsCaches(worker, resolvers, defaults.resolver);
    this.#environment = {
      worker,
      defaults,
      ...builders,
      endpoints: new EndpointSubscriptions(worker),
      resolvers,
      dnsCaches: this.dnsCaches,
      files: new EventFiles(worker.log),
      clusterOf: (name) => this.#clusters.get(name)?.active.cluster,
      local:
        localCluster === undefined
          ? undefined
          : { hostSet: () => this.#clusters.get(localCluster)?.active.cluster.membership.priorities[0] },
    };
    worker.stats.add('cluster_manager.', this.stats);
  }

  /** `version_info` of the last CDS update that was taken. */
  get version(): string {
    return this.#cdsStats.version_text;
  }

  get(name: string): Cluster | undefined {
    return this.#clusters.get(name)?.active.cluster;
  }

  /** The clusters in use, for the admin interface. */
  *active(): Generator<ActiveCluster> {
    for (const { active } of this.#clusters.values()) yield active;
  }

  /** The same, with whether CDS sent them. */
  activeEntries(): Iterable<{ readonly active: ActiveCluster; readonly dynamic: boolean }> {
    return this.#clusters.values();
  }

  /** Clusters that cannot be used yet, and CDS while nothing has come: what the start waits for. */
  unready(): string[] {
    const names = this.#awaited.map(({ active }) => `cluster ${active.name}`);
    return this.#cds !== undefined && !this.#cdsAnswered ? [...names, 'CDS'] : names;
  }

  *dump(): Generator<ClusterDump> {
    for (const [map, warming] of [
      [this.#clusters, false],
      [this.#warming, true],
    ] as const) {
      for (const { active, version, lastUpdated, dynamic } of map.values()) {
        yield { proto: active.proto, version, lastUpdated, dynamic, warming };
      }
    }
  }

  /** Told when a cluster comes, changes or goes. */
  onChange(listener: (name: string) => void): () => void {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  /** Adds a cluster of the bootstrap. */
  addStatic(proto: ClusterProto, errors: ConfigErrors): void {
    const active = this.#compile(proto, () => proto, errors);
    if (active) this.#warm({ active, version: '', lastUpdated: this.#worker.timers.wallClock(), dynamic: false });
  }

  /** Compiles a cluster of the bootstrap, so that there is one of that name, and starts nothing of it. */
  check(proto: ClusterProto, errors: ConfigErrors): void {
    const active = this.#compile(proto, () => proto, errors);
    if (active) this.#clusters.set(active.name, { active, version: '', lastUpdated: 0, dynamic: false });
  }

  /** Subscribes to CDS. */
  subscribe(source: Parameters<WorkerContext['configSource']>[0]): void {
    this.#worker.stats.add('cluster_manager.cds.', this.#cdsStats);
    this.#cds = this.#worker.configSource(source).subscribe(
      CLUSTER_TYPE,
      undefined,
      {
        onUpdate: (resources, removed, settle) => {
          this.#worker.flushQueue.run(() => settle(this.#update(resources, removed)));
          this.#cdsAnswered = true;
          this.#checkInitialized();
        },
        onMissing: () => {
          this.#cdsAnswered = true;
          this.#checkInitialized();
        },
      },
      { stats: this.#cdsStats },
    );
  }

  /**
   * Calls back once when every cluster of the bootstrap that needs no control plane to say where it is can be used: one
   * of them leads to the control plane.
   */
  whenPrimaryInitialized(callback: () => void): void {
    this.#whenPrimaryInitialized = callback;
    this.#checkInitialized();
  }

  /** Calls back once when every cluster of the bootstrap, and of the first CDS update if there is CDS, can be used. */
  whenInitialized(callback: () => void): void {
    this.#whenInitialized = callback;
    this.#checkInitialized();
  }

  /** Clusters that the start waits for: not those with `wait_for_warm_on_init: false`. */
  get #awaited(): Entry[] {
    return [...this.#warming.values()].filter(({ active }) => active.cluster.config.warmOnInit);
  }

  #checkInitialized(): void {
    const primary = this.#whenPrimaryInitialized;
    if (primary !== undefined && !this.#awaited.some(({ active }) => active.cluster.config.discovery !== 'EDS')) {
      this.#whenPrimaryInitialized = undefined;
      primary();
    }
    if (this.#whenInitialized === undefined || this.#awaited.length > 0) return;
    if (this.#cds !== undefined && !this.#cdsAnswered) return;
    const callback = this.#whenInitialized;
    this.#whenInitialized = undefined;
    callback();
  }

  #compile(proto: ClusterProto, again: () => ClusterProto, errors: ConfigErrors): ActiveCluster | undefined {
    checkSupported(ClusterSchema, proto, SUPPORTED, errors);
    if (errors.any) return undefined;
    const { defaults } = this.#environment;
    const config = clusterConfig(proto, defaults, () => this.#worker.timers.now(), errors);
    return errors.any ? undefined : ActiveCluster.create(proto, again, config, this.#environment, errors);
  }

  #update(resources: readonly RawResource[], removed: readonly string[]): Rejection[] {
    const rejections: Rejection[] = [];
    for (const { name, version, bytes } of resources) {
      const errors = new ConfigErrors(this.#worker.unknownFields);
      let active: ActiveCluster | undefined;
      try {
        const proto = fromBinary(ClusterSchema, bytes);
        if (this.#clusters.get(proto.name)?.dynamic === false) continue;
        active = this.#compile(proto, () => fromBinary(ClusterSchema, bytes), errors);
      } catch (error) {
        errors.add('', messageOf(error));
      }
      if (active === undefined) rejections.push({ name, reason: errors.toString() });
      else this.#warm({ active, version, lastUpdated: this.#worker.timers.wallClock(), dynamic: true });
    }
    for (const name of removed) this.#remove(name);
    return rejections;
  }

  #warm(entry: Entry): void {
    const { name } = entry.active;
    this.#warming.get(name)?.active.close();
    this.#warming.set(name, entry);
    this.#note();
    entry.active.start(() => {
      if (this.#warming.get(name) !== entry) return;
      this.#warming.delete(name);
      const before = this.#clusters.get(name);
      this.#clusters.set(name, entry);
      if (before) this.stats.cluster_modified++;
      else this.stats.cluster_added++;
      before?.active.close();
      this.#note();
      for (const listener of this.#onChange) listener(name);
      this.#checkInitialized();
    });
  }

  #remove(name: string): void {
    const warming = this.#warming.get(name);
    if (warming?.dynamic) {
      this.#warming.delete(name);
      warming.active.close();
    }
    const entry = this.#clusters.get(name);
    if (entry?.dynamic) {
      this.#clusters.delete(name);
      entry.active.close();
      this.stats.cluster_removed++;
      for (const listener of this.#onChange) listener(name);
    }
    this.#note();
    this.#checkInitialized();
  }

  #note(): void {
    this.stats.active_clusters = this.#clusters.size;
    this.stats.warming_clusters = this.#warming.size;
  }

  /** Ends everything, dropping connections. */
  close(): void {
    this.#cds?.close();
    for (const { active } of [...this.#clusters.values(), ...this.#warming.values()]) active.close();
    this.#environment.files.close();
  }
}
