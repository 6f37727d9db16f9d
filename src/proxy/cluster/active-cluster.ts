import type { Cluster as ClusterProto } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { ClusterConfig } from './config.ts';
import { type Discover, type DiscoveredCluster, endpointDiscovery } from './endpoint-discovery.ts';
import type { Assignment } from './endpoints.ts';
import type { ClusterEnvironment } from './environment.ts';
import { OriginalDestinationCluster } from './original-dst-cluster.ts';
import { RuntimeCluster } from './runtime-cluster.ts';
import type { MatchedSocket } from './upstream-socket.ts';

/** A cluster together with what keeps its endpoints up to date. */
export class ActiveCluster implements DiscoveredCluster {
  readonly proto: ClusterProto;
  readonly cluster: RuntimeCluster;
  /** What EDS sent last, for `/config_dump?include_eds`. */
  endpoints: ClusterLoadAssignment | undefined = undefined;
  readonly #worker: WorkerContext;
  readonly #discover: Discover;
  #waits: { cancel(): void }[] = [];
  #stop: (() => void) | undefined = undefined;
  #onReady: (() => void) | undefined = undefined;
  #discovered = false;

  private constructor(proto: ClusterProto, cluster: RuntimeCluster, worker: WorkerContext, discover: Discover) {
    this.proto = proto;
    this.cluster = cluster;
    this.#worker = worker;
    this.#discover = discover;
  }

  get name(): string {
    return this.cluster.name;
  }

  get stats(): ClusterStats {
    return this.cluster.stats;
  }

  /** Undefined if something is wrong with it, and then `errors` says what. */
  static create(
    proto: ClusterProto,
    config: ClusterConfig,
    environment: ClusterEnvironment,
    errors: ConfigErrors,
  ): ActiveCluster | undefined {
    const sockets = config.transports.map(({ name, match, socket }, i): MatchedSocket => {
      const at = i < config.transports.length - 1 ? errors.at('transport_socket_matches').at(i) : errors;
      return { name, match, ...environment.buildTransport(socket, config, at.at('transport_socket')) };
    });
    const last = sockets.at(-1);
    if (config.protocol.kind === 'auto' && last?.transport === undefined) {
      errors.add('transport_socket', 'auto_config needs TLS: it is ALPN that settles the protocol');
    }
    const filters = environment.buildFilters(proto.filters, errors.at('filters'));
    const discover = endpointDiscovery(config, environment, errors);
    if (errors.any || discover === undefined) {
      for (const { transport } of sockets) transport?.close();
      return undefined;
    }
    const Runtime = config.discovery === 'ORIGINAL_DST' ? OriginalDestinationCluster : RuntimeCluster;
    return new ActiveCluster(proto, new Runtime(config, sockets, filters, environment), environment.worker, discover);
  }

  /**
   * Begins to look for endpoints; calls back once when the cluster can be used, maybe at once: it has an answer about
   * its endpoints, its secrets, and one health check of every host.
   */
  start(onReady: () => void): void {
    this.#onReady = onReady;
    this.#stop = this.#discover(this);
  }

  setEndpoints(assignment: Assignment, proto: ClusterLoadAssignment | undefined): void {
    this.endpoints = proto;
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
