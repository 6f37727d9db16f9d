import type { Cluster as ClusterProto } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import { AggregateCluster } from './aggregate-cluster.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { ClusterConfig } from './config.ts';
import { type Discover, type DiscoveredCluster, endpointDiscovery } from './endpoint-discovery.ts';
import type { Assignment } from './endpoints.ts';
import type { ClusterEnvironment } from './environment.ts';
import { ForwardProxyCluster } from './forward-proxy-cluster.ts';
import { OriginalDestinationCluster } from './original-dst-cluster.ts';
import { RuntimeCluster } from './runtime-cluster.ts';
import type { MatchedSocket } from './upstream-socket.ts';

/** A cluster together with what keeps its endpoints up to date. */
export class ActiveCluster implements DiscoveredCluster {
  readonly cluster: RuntimeCluster;
  readonly #proto: () => ClusterProto;
  readonly #worker: WorkerContext;
  readonly #discover: Discover;
  #waits: { cancel(): void }[] = [];
  #stop: (() => void) | undefined = undefined;
  #onReady: (() => void) | undefined = undefined;
  #discovered = false;

  private constructor(proto: () => ClusterProto, cluster: RuntimeCluster, worker: WorkerContext, discover: Discover) {
    this.#proto = proto;
    this.cluster = cluster;
    this.#worker = worker;
    this.#discover = discover;
  }

  /** The message that it was made from. */
  get proto(): ClusterProto {
    return this.#proto();
  }

  get name(): string {
    return this.cluster.name;
  }

  get stats(): ClusterStats {
    return this.cluster.stats;
  }

  /**
   * Undefined if something is wrong with it, and then `errors` says what. `again` brings the message back when somebody
   * asks for it: kept in its decoded form, it would be the largest part of a cluster.
   */
  static create(
    proto: ClusterProto,
    again: () => ClusterProto,
    config: ClusterConfig,
    environment: ClusterEnvironment,
    errors: ConfigErrors,
  ): ActiveCluster | undefined {
    const sockets = [
      ...proto.transportSocketMatches.map(({ name, match = {}, transportSocket }, i): MatchedSocket => {
        const at = errors.at('transport_socket_matches').at(i).at('transport_socket');
        return { name, match, ...environment.buildTransport(transportSocket, config, at) };
      }),
      {
        name: 'default',
        match: {},
        ...environment.buildTransport(proto.transportSocket, config, errors.at('transport_socket')),
      },
    ];
    const last = sockets.at(-1);
    if (config.protocol.kind === 'auto' && last?.transport === undefined) {
      errors.add('transport_socket', 'auto_config needs TLS: it is ALPN that settles the protocol');
    }
    const filters = environment.buildFilters(proto.filters, errors.at('filters'));
    const discover = endpointDiscovery(config, proto.loadAssignment, environment, errors);
    if (errors.any || discover === undefined) {
      for (const { transport } of sockets) transport?.close();
      return undefined;
    }
    const at = errors.at('cluster_type.typed_config.dns_cache_config');
    const cluster = runtimeCluster(config, sockets, filters, environment, at);
    return cluster && new ActiveCluster(again, cluster, environment.worker, discover);
  }

  /**
   * Begins to look for endpoints; calls back once when the cluster can be used, maybe at once: it has an answer about
   * its endpoints, its secrets, and one health check of every host.
   */
  start(onReady: () => void): void {
    this.#onReady = onReady;
    this.#stop = this.#discover(this);
  }

  setEndpoints(assignment: Assignment): void {
    this.cluster.setEndpoints(assignment);
  }

  discovered(): void {
    if (this.#discovered) return;
    this.#discovered = true;
    this.#whenSecretsCome(() => this.cluster.whenChecked(() => this.#ready()));
  }

  #whenSecretsCome(callback: () => void): void {
    const missing = this.cluster.sockets.flatMap(({ transport }) => (transport?.settled === false ? [transport] : []));
    let left = missing.length;
    if (left === 0) {
      callback();
      return;
    }
    this.#waits = missing.map((transport) =>
      transport.whenSettled(() => {
        if (--left === 0) this.#worker.flushQueue.run(callback);
      }),
    );
  }

  #ready(): void {
    const callback = this.#onReady;
    this.#onReady = undefined;
    callback?.();
  }

  discoveryFailed(name: string, error: unknown): void {
    this.#worker.log.debug(`DNS resolution of ${name} for cluster ${this.name} failed: ${messageOf(error)}`);
  }

  close(): void {
    this.#onReady = undefined;
    for (const wait of this.#waits) wait.cancel();
    this.#stop?.();
    this.cluster.drain();
  }
}

function runtimeCluster(
  config: ClusterConfig,
  sockets: readonly MatchedSocket[],
  filters: readonly UpstreamFilterFactory[],
  environment: ClusterEnvironment,
  errors: ConfigErrors,
): RuntimeCluster | undefined {
  const { forwardProxy } = config;
  if (forwardProxy !== undefined) {
    const specifier = forwardProxy.clusterImplementationSpecifier;
    const proto = specifier.case === 'dnsCacheConfig' ? specifier.value : undefined;
    const lease = environment.dnsCaches.acquire(proto, errors);
    return lease && new ForwardProxyCluster(config, sockets, filters, environment, lease);
  }
  if (config.aggregate !== undefined) {
    return new AggregateCluster(config, sockets, filters, environment, config.aggregate);
  }
  const Runtime = config.discovery === 'ORIGINAL_DST' ? OriginalDestinationCluster : RuntimeCluster;
  return new Runtime(config, sockets, filters, environment);
}
