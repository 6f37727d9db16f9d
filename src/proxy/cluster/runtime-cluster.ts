import { ResetReason } from '../../wire/http.ts';
import { type Changing, runtimeShare } from '../config/runtime-values.ts';
import type { WorkerContext } from '../context.ts';
import type { LoadBalancer } from '../lb/load-balancer.ts';
import type { Flushable } from '../net/flush-queue.ts';
import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import type { StatLease } from '../observe/stats.ts';
import type {
  Cancelable,
  Cluster,
  LoadBalancerContext,
  UpstreamConnectionHandler,
  UpstreamOptions,
  UpstreamStreamHandler,
} from './cluster.ts';
import { ClusterStats } from './cluster-stats.ts';
import { Http1CodecStats, Http2CodecStats } from './codec-stats.ts';
import type { ClusterConfig } from './config.ts';
import type { ConnectHandler } from './connect-handler.ts';
import { checkConnection, checksByHttp2, requestConnection } from './connect-options.ts';
import { connectUpstream } from './connector.ts';
import { type Assignment, NO_ENDPOINTS } from './endpoints.ts';
import type { ClusterEnvironment } from './environment.ts';
import type { HealthCheckConfig } from './health/config.ts';
import type { Host } from './host.ts';
import { HostWatch, type WatchedCluster } from './host-watch.ts';
import { HttpPool } from './http-pool.ts';
import { Membership } from './membership.ts';
import { type PoolProtocol, poolKey } from './pool-key.ts';
import { ResourceManager } from './resources.ts';
import { openTcp } from './tcp.ts';
import { type MatchedSocket, matchSocket } from './upstream-socket.ts';

/** A cluster at work: its hosts, what is known of their health, and the pools of connections to them. */
export class RuntimeCluster implements Cluster, WatchedCluster, Flushable {
  readonly name: string;
  readonly statName: string;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly defaultResources: ResourceManager;
  readonly highResources: ResourceManager;
  readonly sockets: readonly MatchedSocket[];
  /** Filters of the connections to its hosts. */
  readonly filters: readonly UpstreamFilterFactory[];
  readonly membership: Membership;
  readonly #worker: WorkerContext;
  readonly #statsLease: StatLease<ClusterStats>;
  readonly #balancer: LoadBalancer | undefined;
  readonly #balancerStats: (() => void) | undefined;
  readonly #watch: HostWatch | undefined;
  #http1Stats: StatLease<Http1CodecStats> | undefined = undefined;
  #http2Stats: StatLease<Http2CodecStats> | undefined = undefined;
  #assignment: Assignment = NO_ENDPOINTS;
  /** Hosts, their weights or their health have changed since the balancer was told. */
  #stale = false;
  #onChecked: (() => void) | undefined = undefined;
  #closed = false;
  readonly #maintenance: Changing<number>;

  constructor(
    config: ClusterConfig,
    sockets: readonly MatchedSocket[],
    filters: readonly UpstreamFilterFactory[],
    environment: ClusterEnvironment,
  ) {
    const { worker } = environment;
    this.filters = filters;
    this.name = config.name;
    this.statName = config.statName;
    this.config = config;
    this.sockets = sockets;
    this.#worker = worker;
    this.#maintenance = runtimeShare(`upstream.maintenance_mode.${config.name}`, 0, worker.runtime);
    this.defaultResources = new ResourceManager(
      config.breakers.default,
      worker.runtime,
      `circuit_breakers.${config.name}.default.`,
    );
    this.highResources = new ResourceManager(
      config.breakers.high,
      worker.runtime,
      `circuit_breakers.${config.name}.high.`,
    );
    this.#statsLease = worker.stats.acquire(`cluster.${config.statName}.`, ClusterStats);
    this.stats = this.#statsLease.group;
    this.stats.socketNames = sockets.map(({ name }) => name);
    this.stats.socketMatches = sockets.map(() => 0);
    this.stats.resources = { default: this.defaultResources, high: this.highResources };
    this.membership = new Membership({
      now: () => this.now(),
      locality: worker.node,
      identity: config.discovery === 'EDS' ? 'address' : config.discovery === 'LOGICAL_DNS' ? 'place' : 'endpoint',
      checked: config.healthCheck !== undefined,
      excludeUnchecked: config.ignoreUnchecked,
      keepHealthy: config.healthCheck !== undefined && !config.ignoreHealthOnRemoval,
    });
    this.#balancer = config.policy?.create({
      random: worker.random,
      now: () => this.now(),
      counters: this.stats,
      panicThreshold: config.panicThreshold,
      locality: worker.node,
      local: environment.local,
    });
    const own = this.#balancer?.stats;
    this.#balancerStats = own && worker.stats.add(`cluster.${config.statName}.${own.prefix}`, own.group);
    this.#watch = HostWatch.of(this, environment);
  }

  now(): number {
    return this.#worker.timers.now();
  }

  get metadata(): ClusterConfig['metadata'] {
    return this.config.metadata;
  }

  get size(): number {
    return this.membership.size;
  }

  get followsDownstreamProtocol(): boolean {
    return this.config.protocol.kind === 'downstream';
  }

  get http2(): boolean {
    return this.config.protocol.kind === 'http2';
  }

  get secure(): boolean {
    return this.sockets.at(-1)?.transport !== undefined;
  }

  get autoSni(): boolean {
    return this.config.autoSni;
  }

  get autoSniHeader(): string {
    return this.config.autoSniHeader;
  }

  /** Undefined unless requests name the hosts. */
  get forwardProxyPort(): number | undefined {
    return undefined;
  }

  get autoSanValidation(): boolean {
    return this.config.autoSanValidation;
  }

  get maxStreamDurationMs(): number {
    return this.config.maxStreamDurationMs;
  }

  get hosts(): Iterable<Host> {
    return this.membership.hosts;
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  /** What outlier detection knows, if there is any. */
  get outliers(): HostWatch['outliers'] {
    return this.#watch?.outliers;
  }

  /** Calls back once when every host has been checked once, at once where there are no health checks. */
  whenChecked(callback: () => void): void {
    this.#onChecked = callback;
    this.checked();
  }

  checked(): void {
    if (this.#onChecked === undefined || this.#watch?.pending) return;
    const callback = this.#onChecked;
    this.#onChecked = undefined;
    callback();
  }

  /** Replaces the endpoints. Hosts that stay keep their connections and what is known of their health. */
  setEndpoints(assignment: Assignment): void {
    const { added, removed } = this.membership.update(assignment);
    this.#assignment = assignment;
    let heaviest = 1;
    for (const host of this.membership.hosts) {
      this.#chooseSocket(host);
      if (host.weight > heaviest) heaviest = host.weight;
    }
    const { discovery } = this.config;
    // Envoy has it only where lists of hosts come and go.
    if (discovery === 'EDS' || discovery === 'STRICT_DNS') this.stats.max_host_weight = heaviest;
    for (const host of added) this.#watch?.add(host);
    this.#membershipChanged(added, removed);
  }

  /** A host that came with the request that is for it. */
  protected addHost(host: Host): void {
    this.#chooseSocket(host);
    this.#watch?.add(host);
    this.#membershipChanged([host], []);
  }

  protected removeHosts(hosts: readonly Host[]): void {
    this.#membershipChanged([], hosts);
  }

  #membershipChanged(added: readonly Host[], removed: readonly Host[]): void {
    if (added.length > 0 || removed.length > 0) {
      // Envoy counts the priorities that change.
      const priorities = new Set([...added, ...removed].map(({ description }) => description.priority));
      this.stats.membership_change += priorities.size;
      if (this.config.drainOnHostSetChange) {
        for (const host of this.hosts) host.drainConnections();
      }
    }
    for (const host of removed) {
      this.#watch?.remove(host);
      host.removed = true;
      host.drainPools();
    }
    this.#noteChange();
  }

  healthChanged(host: Host, failed: boolean): void {
    if (failed) this.#leave(host);
    this.membership.touch();
    const gone = this.membership.dropFailed();
    if (gone.length > 0) this.#membershipChanged([], gone);
    else this.#noteChange();
  }

  /** New requests that find the host again get new connections: the old ones may be what has failed. */
  #leave(host: Host): void {
    host.drainConnections();
    if (this.config.closeOnHealthFailure) host.closeTcpConnections();
  }

  /** Many hosts may change in one event: tables and gauges follow once, at its end or when they are needed. */
  #noteChange(): void {
    if (this.#stale) return;
    this.#stale = true;
    this.#worker.flushQueue.add(this);
  }

  flush(): void {
    if (!this.#stale || this.#closed) return;
    this.#stale = false;
    this.#balancer?.update(this.membership.priorities);
    let healthy = 0;
    let degraded = 0;
    let excluded = 0;
    for (const host of this.hosts) {
      if (host.healthy) healthy++;
      else if (host.degraded) degraded++;
      if (host.excluded) excluded++;
    }
    const { stats } = this;
    stats.membership_total = this.size;
    stats.membership_healthy = healthy;
    stats.membership_degraded = degraded;
    stats.membership_excluded = excluded;
  }

  #chooseSocket(host: Host): void {
    const { metadata, localityMetadata } = host.description;
    const index = matchSocket(this.sockets, metadata, localityMetadata);
    if (index === host.transportIndex) return;
    host.transportIndex = index;
    this.stats.socketMatches[index]++;
  }

  inMaintenance(random: () => number): boolean {
    const share = this.#maintenance.value;
    return share > 0 && random() < share;
  }

  get dropShare(): number {
    return this.#assignment.drop?.share ?? 0;
  }

  pick(context: LoadBalancerContext): Host | undefined {
    if (this.#stale) this.flush();
    if (context.overrideAddress !== undefined) {
      const host = this.#overridden(context.overrideAddress);
      if (host !== undefined || context.overrideStrict) return host;
    }
    return this.#balancer?.pick(context);
  }

  #overridden(addresses: string): Host | undefined {
    for (const address of addresses.split(',')) {
      const host = this.membership.at(address.trim());
      if (host !== undefined && this.config.overrideStatuses.has(host.status)) return host;
    }
    return undefined;
  }

  openHttp(host: Host, options: UpstreamOptions, handler: UpstreamStreamHandler): Cancelable | undefined {
    const pool = this.#httpPool(host, options);
    if (pool !== undefined) return pool.open(handler);
    this.stats.upstream_cx_pool_overflow++;
    handler.onFailure(ResetReason.Overflow, '');
    return undefined;
  }

  #resources({ priority }: UpstreamOptions): ResourceManager {
    return priority === 'high' ? this.highResources : this.defaultResources;
  }

  /** Undefined if there are as many pools as there may be, and all are in use. */
  #httpPool(host: Host, options: UpstreamOptions): HttpPool | undefined {
    const socket = this.sockets[host.transportIndex];
    const protocol = this.#protocolFor(options);
    const key = poolKey(protocol, options, this.config.poolPerDownstream, socket.preamble !== undefined);
    const existing = host.pools.get(key) as HttpPool | undefined;
    const generation = socket.transport?.generation ?? 0;
    if (existing !== undefined) {
      if (existing.generation === generation) return existing;
      // Secrets have changed: what runs on the old ones may finish, new requests get new connections.
      host.pools.delete(key);
      existing.drain();
    }
    const { connectionPools } = this.#resources(options);
    if (!connectionPools.canCreate && !this.#freePool(host)) return undefined;
    connectionPools.inUse++;
    const pool: HttpPool = new HttpPool({
      net: this.#worker,
      random: this.#worker.random,
      codecStats: (http2) => this.#codecStats(http2),
      host,
      stats: this.stats,
      resources: this.#resources(options),
      options: this.config,
      protocol,
      generation,
      connect: (connectHandler) => this.connect(host, options, protocol, connectHandler),
      onGone: () => {
        connectionPools.inUse--;
        if (host.pools.get(key) === pool) host.pools.delete(key);
      },
    });
    host.pools.set(key, pool);
    return pool;
  }

  #codecStats(http2: boolean): Http2CodecStats | undefined {
    const { stats } = this.#worker;
    const prefix = `cluster.${this.statName}.http${http2 ? 2 : 1}.`;
    if (http2) return (this.#http2Stats ??= stats.acquire(prefix, Http2CodecStats)).group;
    this.#http1Stats ??= stats.acquire(prefix, Http1CodecStats);
    return undefined;
  }

  /** Makes room for a pool by one of the host's that nobody uses. */
  #freePool(host: Host): boolean {
    for (const pool of host.pools.values()) {
      if (!pool.idle) continue;
      pool.drain();
      return true;
    }
    return false;
  }

  #protocolFor(options: UpstreamOptions): PoolProtocol {
    const { kind } = this.config.protocol;
    if (kind !== 'downstream') return kind;
    return options.downstreamProtocol === 'HTTP/2' ? 'http2' : 'http1';
  }

  /** Connects to a host the way its transport socket and the request say. */
  connect(host: Host, options: UpstreamOptions, protocol: PoolProtocol | 'tcp', handler: ConnectHandler): Cancelable {
    return connectUpstream(this.#worker, requestConnection(this, host, options, protocol), handler);
  }

  connectForCheck(host: Host, check: HealthCheckConfig, handler: ConnectHandler): Cancelable {
    if (check.check.kind !== 'TCP') this.#codecStats(checksByHttp2(check));
    return connectUpstream(this.#worker, checkConnection(this, host, check), handler);
  }

  hasTraffic(): boolean {
    return this.stats.upstream_cx_total > 0;
  }

  openTcp(host: Host, options: UpstreamOptions, handler: UpstreamConnectionHandler): Cancelable | undefined {
    const resources = this.#resources(options);
    if (!resources.connections.canCreate || host.stats.cx_active >= resources.maxConnectionsPerHost) {
      this.stats.upstream_cx_overflow++;
      // A host without any connection always gets one, or others could keep it from ever being used.
      if (host.stats.cx_active > 0) {
        handler.onFailure(ResetReason.Overflow, '');
        return undefined;
      }
    }
    return openTcp(this, host, options, resources, handler);
  }

  /** Lets running requests finish and takes no new ones; statistics go. */
  drain(): void {
    this.#closed = true;
    this.#onChecked = undefined;
    this.#watch?.close();
    this.#balancerStats?.();
    this.#http1Stats?.release();
    this.#http2Stats?.release();
    for (const host of this.hosts) host.drainPools();
    for (const { transport } of this.sockets) transport?.close();
    this.#statsLease.release();
  }
}
