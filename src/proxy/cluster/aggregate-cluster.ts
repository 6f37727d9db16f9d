import type { HostSet } from '../lb/host-set.ts';
import { choosePriority, type PriorityLoads, type PriorityState, priorityState } from '../lb/priority-load.ts';
import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import type {
  Cancelable,
  LoadBalancerContext,
  UpstreamConnectionHandler,
  UpstreamOptions,
  UpstreamStreamHandler,
} from './cluster.ts';
import type { ClusterConfig } from './config.ts';
import type { ClusterEnvironment, MemberCluster } from './environment.ts';
import type { Host } from './host.ts';
import { RuntimeCluster } from './runtime-cluster.ts';
import type { MatchedSocket } from './upstream-socket.ts';

/** A priority of one of the clusters, in the line that all of them make. */
interface Level {
  readonly cluster: MemberCluster;
  /** Which of that cluster's own priorities. */
  readonly priority: number;
  /** How many that has. */
  readonly of: number;
}

/** The priorities of all clusters in a row, and what they were when it was made. */
interface Line {
  readonly from: readonly (readonly HostSet[] | undefined)[];
  readonly levels: readonly Level[];
  readonly state: PriorityState;
}

/**
 * A cluster of clusters (`envoy.clusters.aggregate`): their priorities count as one row, cluster after cluster, so that the
 * next takes over as those before it fall ill. The cluster that a priority belongs to chooses the host, connects to it and
 * counts; requests count here as well.
 */
export class AggregateCluster extends RuntimeCluster {
  readonly #names: readonly string[];
  readonly #clusterOf: (name: string) => MemberCluster | undefined;
  readonly #random: () => number;
  readonly #owners = new WeakMap<Host, MemberCluster>();
  #line: Line | undefined = undefined;

  constructor(
    config: ClusterConfig,
    sockets: readonly MatchedSocket[],
    filters: readonly UpstreamFilterFactory[],
    environment: ClusterEnvironment,
    names: readonly string[],
  ) {
    super(config, sockets, filters, environment);
    this.#names = names;
    this.#clusterOf = environment.clusterOf;
    this.#random = environment.worker.random;
  }

  override pick(context: LoadBalancerContext): Host | undefined {
    const { levels, state } = this.#current();
    if (levels.length === 0) return undefined;
    const loads = context.shiftPriorities?.(state) ?? state.loads;
    const { priority, degraded } = choosePriority(1 + Math.floor(this.#random() * 100), loads);
    const level = levels[priority];
    if (level === undefined) return undefined;
    const { cluster } = level;
    const host = cluster.pick(new AtLevel(context, level, degraded));
    if (host !== undefined) this.#owners.set(host, cluster);
    return host;
  }

  /** Worked out again when one of the clusters has come, gone or changed. */
  #current(): Line {
    const clusters = this.#names.map((name) => this.#clusterOf(name));
    const from = clusters.map((cluster) => cluster?.membership.priorities);
    const known = this.#line;
    if (known?.from.every((sets, i) => sets === from[i])) return known;
    const levels: Level[] = [];
    const sets: HostSet[] = [];
    clusters.forEach((cluster, i) => {
      from[i]?.forEach((set, priority, all) => {
        if (set.hosts.length === 0) return;
        levels.push({ cluster: cluster!, priority, of: all.length });
        sets.push(set);
      });
    });
    this.#line = { from, levels, state: priorityState(sets, this.config.panicThreshold) };
    return this.#line;
  }

  override openHttp(host: Host, options: UpstreamOptions, handler: UpstreamStreamHandler): Cancelable | undefined {
    return this.#ownerOf(host).openHttp(host, options, handler);
  }

  override openTcp(host: Host, options: UpstreamOptions, handler: UpstreamConnectionHandler): Cancelable | undefined {
    return this.#ownerOf(host).openTcp(host, options, handler);
  }

  /** Hosts are only known from `pick`. */
  #ownerOf(host: Host): MemberCluster {
    return this.#owners.get(host)!;
  }
}

/** The same request, for which there is one priority only. */
class AtLevel implements LoadBalancerContext {
  readonly hash: LoadBalancerContext['hash'];
  readonly metadataMatch: LoadBalancerContext['metadataMatch'];
  readonly headers: LoadBalancerContext['headers'];
  readonly downstream: LoadBalancerContext['downstream'];
  readonly hostAttempts: LoadBalancerContext['hostAttempts'];
  readonly overrideAddress: LoadBalancerContext['overrideAddress'];
  readonly overrideStrict: LoadBalancerContext['overrideStrict'];
  readonly info: LoadBalancerContext['info'];
  readonly #context: LoadBalancerContext;
  readonly #loads: PriorityLoads;

  constructor(context: LoadBalancerContext, { priority, of }: Level, degraded: boolean) {
    this.hash = context.hash;
    this.metadataMatch = context.metadataMatch;
    this.headers = context.headers;
    this.downstream = context.downstream;
    this.hostAttempts = context.hostAttempts;
    this.overrideAddress = context.overrideAddress;
    this.overrideStrict = context.overrideStrict;
    this.info = context.info;
    this.#context = context;
    const none = Array.from({ length: of }, () => 0);
    const all = none.with(priority, 100);
    this.#loads = degraded ? { healthy: none, degraded: all } : { healthy: all, degraded: none };
  }

  rejects(host: Host): boolean {
    return this.#context.rejects(host);
  }

  shiftPriorities(): PriorityLoads {
    return this.#loads;
  }
}
