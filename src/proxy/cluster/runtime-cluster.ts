import { ResetReason } from '../../wire/http.ts';
import type { WorkerContext } from '../context.ts';
import { HostSet, type LocalityMembers, NO_HOSTS } from '../lb/host-set.ts';
import type { LoadBalancer } from '../lb/load-balancer.ts';
import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import type { StatLease } from '../observe/stats.ts';
import type { UpstreamTransport } from '../tls/transport.ts';
import type {
  Cancelable,
  Cluster,
  LoadBalancerContext,
  UpstreamConnectionHandler,
  UpstreamOptions,
  UpstreamStreamHandler,
} from './cluster.ts';
import { ClusterStats } from './cluster-stats.ts';
import type { ClusterConfig, TransportMatch } from './config.ts';
import { type ConnectHandler, connectUpstream } from './connector.ts';
import { type Assignment, NO_ENDPOINTS } from './endpoints.ts';
import { Host, type HostDescription } from './host.ts';
import { HttpPool } from './http-pool.ts';
import { ResourceManager } from './resources.ts';
import { openTcp } from './tcp.ts';

/** A transport socket of a cluster; `undefined` as transport is plaintext. */
export interface CompiledTransport {
  readonly match: TransportMatch['match'];
  readonly transport: UpstreamTransport | undefined;
}

/** Keys by which an endpoint is recognised when the list of endpoints is sent anew. */
function identityOf(description: HostDescription): string {
  const { address, hostname } = description;
  return address.family === 0 ? address.address : `${address.address}|${address.port}|${hostname}`;
}

/** A cluster at work: its hosts, what is known of their health, and the pools of connections to them. */
export class RuntimeCluster implements Cluster {
  readonly name: string;
  readonly statName: string;
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly defaultResources: ResourceManager;
  readonly highResources: ResourceManager;
  /** Filters of the connections to its hosts; whoever makes the cluster sets them before it is used. */
  filters: readonly UpstreamFilterFactory[] = [];
  readonly #worker: WorkerContext;
  readonly #transports: readonly CompiledTransport[];
  readonly #statsLease: StatLease<ClusterStats>;
  #hosts = new Map<string, Host>();
  #assignment: Assignment = NO_ENDPOINTS;
  #priorities: LocalityMembers[][] = [];
  readonly #balancer: LoadBalancer | undefined;
  #listeners: ((added: readonly Host[], removed: readonly Host[]) => void)[] = [];
  #closed = false;

  constructor(config: ClusterConfig, transports: readonly CompiledTransport[], worker: WorkerContext) {
    this.name = config.name;
    this.statName = config.statName;
    this.config = config;
    this.#worker = worker;
    this.#transports = transports;
    this.defaultResources = new ResourceManager(config.thresholds);
    this.highResources = new ResourceManager(config.highThresholds);
    this.#statsLease = worker.stats.acquire(`cluster.${config.statName}.`, ClusterStats);
    this.stats = this.#statsLease.group;
    this.stats.resources = { default: this.defaultResources, high: this.highResources };
    this.#balancer = config.policy?.create({
      random: worker.random,
      now: () => worker.timers.now(),
      counters: this.stats,
      panicThreshold: config.panicThreshold,
      locality: worker.node,
      local: undefined,
    });
  }

  now(): number {
    return this.#worker.timers.now();
  }

  get metadata(): ClusterConfig['metadata'] {
    return this.config.metadata;
  }

  get size(): number {
    return this.#hosts.size;
  }

  get followsDownstreamProtocol(): boolean {
    return this.config.protocol.kind === 'downstream';
  }

  get http2(): boolean {
    return this.config.protocol.kind === 'http2';
  }

  get autoSni(): boolean {
    return this.config.autoSni;
  }

  get autoSanValidation(): boolean {
    return this.config.autoSanValidation;
  }

  get maxStreamDurationMs(): number {
    return this.config.maxStreamDurationMs;
  }

  get hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  get transports(): readonly CompiledTransport[] {
    return this.#transports;
  }

  /** Told when hosts come and go: health checkers and outlier detection. */
  onMembershipChange(listener: (added: readonly Host[], removed: readonly Host[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Replaces the endpoints. Hosts that stay keep their connections and what is known of their health. */
  setEndpoints(assignment: Assignment): void {
    const before = this.#hosts;
    const hosts = new Map<string, Host>();
    const added: Host[] = [];
    const now = this.#worker.timers.now();
    const priorities: LocalityMembers[][] = [];
    for (const { locality, priority, weight, hosts: descriptions } of assignment.localities) {
      const members: Host[] = [];
      for (const description of descriptions) {
        const identity = identityOf(description);
        let host = hosts.get(identity);
        if (host !== undefined) continue;
        host = before.get(identity);
        if (host === undefined) {
          host = new Host(description, now);
          added.push(host);
        } else {
          this.#refresh(host, description);
        }
        host.transportIndex = this.#transportFor(description);
        hosts.set(identity, host);
        members.push(host);
      }
      while (priorities.length <= priority) priorities.push([]);
      priorities[priority].push({ locality, weight, hosts: members });
    }
    const removed = [...before].filter(([identity]) => !hosts.has(identity)).map(([, host]) => host);
    this.#hosts = hosts;
    this.#assignment = assignment;
    this.#priorities = priorities;
    if (added.length > 0 || removed.length > 0) this.stats.membership_change++;
    for (const listener of this.#listeners) listener(added, removed);
    this.rebalance();
    for (const host of removed) {
      host.removed = true;
      for (const pool of [...host.pools.values()]) pool.drain();
    }
  }

  #refresh(host: Host, description: HostDescription): void {
    const mask = host.description.edsHealth;
    host.health = (host.health & ~mask) | description.edsHealth;
    host.description = description;
  }

  /** Builds the tables of the load balancer anew, after a change of membership, weights or health. */
  rebalance(): void {
    const options = { overprovisioning: this.#assignment.overprovisioning, weightedHealth: false };
    const sets = this.#priorities.map(
      (members) =>
        new HostSet(
          members.flatMap(({ hosts }) => hosts),
          members,
          undefined,
          options,
        ),
    );
    this.#balancer?.update(sets.length === 0 ? NO_HOSTS : sets);
    let healthy = 0;
    let degraded = 0;
    for (const host of this.#hosts.values()) {
      if (host.healthy) healthy++;
      else if (host.degraded) degraded++;
    }
    this.stats.membership_total = this.#hosts.size;
    this.stats.membership_healthy = healthy;
    this.stats.membership_degraded = degraded;
  }

  #transportFor(description: HostDescription): number {
    const transports = this.#transports;
    if (transports.length === 1) return 0;
    const labels = description.metadata.get('envoy.transport_socket_match');
    const localityLabels = description.localityMetadata.get('envoy.transport_socket_match');
    for (let i = 0; i < transports.length - 1; i++) {
      const wanted = Object.entries(transports[i].match);
      if (wanted.every(([key, value]) => sameJson(labels?.[key] ?? localityLabels?.[key], value))) return i;
    }
    return transports.length - 1;
  }

  pick(context: LoadBalancerContext): Host | undefined {
    if (context.overrideAddress !== undefined) {
      for (const host of this.#hosts.values()) {
        if (host.name === context.overrideAddress && host.healthy) return host;
      }
    }
    return this.#balancer?.pick(context);
  }

  openHttp(host: Host, options: UpstreamOptions, handler: UpstreamStreamHandler): Cancelable | undefined {
    return this.#httpPool(host, options).open(handler);
  }

  #httpPool(host: Host, options: UpstreamOptions): HttpPool {
    const protocol = this.#protocolFor(options);
    const key =
      options.alpn === undefined && options.sni === undefined && options.priority === 'default'
        ? protocol
        : JSON.stringify([protocol, options.alpn, options.sni, options.subjectAltNames, options.priority]);
    const existing = host.pools.get(key) as HttpPool | undefined;
    const transport = this.#transports[host.transportIndex].transport;
    if (existing !== undefined) {
      if (transport === undefined || existing.generation === transport.generation) return existing;
      // Secrets have changed: what runs on the old ones may finish, new requests get new connections.
      host.pools.delete(key);
      existing.drain();
    }
    const pool: HttpPool = new HttpPool({
      net: this.#worker,
      host,
      stats: this.stats,
      resources: options.priority === 'high' ? this.highResources : this.defaultResources,
      options: this.config,
      protocol,
      generation: transport?.generation ?? 0,
      connect: (connectHandler) => this.connect(host, options, protocol, connectHandler),
      onIdle: () => {
        if (host.pools.get(key) === pool && (host.removed || this.#closed)) host.pools.delete(key);
      },
    });
    host.pools.set(key, pool);
    return pool;
  }

  #protocolFor(options: UpstreamOptions): 'http1' | 'http2' | 'auto' {
    const { kind } = this.config.protocol;
    if (kind !== 'downstream') return kind;
    return options.downstreamProtocol === 'HTTP/2' ? 'http2' : 'http1';
  }

  /** Connects to a host the way its transport socket and the request say. */
  connect(
    host: Host,
    options: UpstreamOptions,
    protocol: 'http1' | 'http2' | 'auto' | 'tcp',
    handler: ConnectHandler,
  ): Cancelable {
    const { config } = this;
    return connectUpstream(
      this.#worker,
      {
        address: host.address,
        timeoutMs: config.connectTimeoutMs,
        bufferLimit: config.bufferLimit,
        transport: this.#transports[host.transportIndex].transport,
        tls: {
          sni: options.sni,
          alpn: options.alpn ?? (protocol === 'auto' ? AUTO_ALPN : undefined),
          defaultAlpn: protocol === 'http2' ? HTTP2_ALPN : protocol === 'http1' ? HTTP1_ALPN : undefined,
          subjectAltNames: options.subjectAltNames,
        },
        keepalive: config.tcpKeepalive,
        sourceAddress: config.sourceAddress,
        filters: this.filters,
      },
      handler,
    );
  }

  openTcp(host: Host, options: UpstreamOptions, handler: UpstreamConnectionHandler): Cancelable | undefined {
    const resources = options.priority === 'high' ? this.highResources : this.defaultResources;
    if (!resources.connections.canCreate) {
      this.stats.upstream_cx_overflow++;
      handler.onFailure(ResetReason.Overflow, '');
      return undefined;
    }
    return openTcp(this, host, options, resources, handler);
  }

  /** Lets running requests finish and takes no new ones; statistics go. */
  drain(): void {
    this.#closed = true;
    this.#statsLease.release();
    for (const host of this.#hosts.values()) {
      for (const pool of [...host.pools.values()]) pool.drain();
    }
    for (const { transport } of this.#transports) transport?.close();
  }
}

const AUTO_ALPN: readonly string[] = ['h2', 'http/1.1'];
const HTTP2_ALPN: readonly string[] = ['h2'];
const HTTP1_ALPN: readonly string[] = ['http/1.1'];

function sameJson(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b));
}
