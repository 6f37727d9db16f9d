import type { Cluster as ClusterProto } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { TransportSocket } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { UpstreamTransport } from '../tls/transport.ts';
import { EndpointUpdates } from './cluster-stats.ts';
import type { ClusterConfig } from './config.ts';
import { DnsDiscovery } from './dns/discovery.ts';
import type { DnsResolvers } from './dns/resolvers.ts';
import type { EndpointSubscriptions } from './endpoint-subscriptions.ts';
import { NO_ENDPOINTS, policyOf, readAssignment, readTemplates } from './endpoints.ts';
import { OriginalDestinationCluster } from './original-dst-cluster.ts';
import { type CompiledTransport, RuntimeCluster } from './runtime-cluster.ts';

/** Compiles a transport socket; undefined is plaintext. What is wrong goes to the errors. */
export type TransportBuilder = (
  socket: TransportSocket | undefined,
  config: ClusterConfig,
  errors: ConfigErrors,
) => UpstreamTransport | undefined;

/** A cluster together with what keeps its endpoints up to date. */
export class ActiveCluster {
  readonly proto: ClusterProto;
  readonly cluster: RuntimeCluster;
  /** What EDS sent last, for `/config_dump?include_eds`. */
  endpoints: ClusterLoadAssignment | undefined = undefined;
  readonly #worker: WorkerContext;
  readonly #discover: (active: ActiveCluster) => () => void;
  #stop: (() => void) | undefined = undefined;
  #onReady: (() => void) | undefined = undefined;

  private constructor(
    proto: ClusterProto,
    cluster: RuntimeCluster,
    worker: WorkerContext,
    discover: (active: ActiveCluster) => () => void,
  ) {
    this.proto = proto;
    this.cluster = cluster;
    this.#worker = worker;
    this.#discover = discover;
  }

  get name(): string {
    return this.cluster.name;
  }

  static create(
    proto: ClusterProto,
    config: ClusterConfig,
    worker: WorkerContext,
    buildTransport: TransportBuilder,
    endpoints: EndpointSubscriptions,
    resolvers: DnsResolvers,
    errors: ConfigErrors,
  ): ActiveCluster | undefined {
    const transports = config.transports.map(({ match, socket }, i): CompiledTransport => {
      const at = i < config.transports.length - 1 ? errors.at('transport_socket_matches').at(i) : errors;
      return { match, transport: buildTransport(socket, config, at.at('transport_socket')) };
    });
    const discover = discovery(config, worker, endpoints, resolvers, errors);
    if (errors.any || discover === undefined) {
      for (const { transport } of transports) transport?.close();
      return undefined;
    }
    const Runtime = config.discovery === 'ORIGINAL_DST' ? OriginalDestinationCluster : RuntimeCluster;
    return new ActiveCluster(proto, new Runtime(config, transports, worker), worker, discover);
  }

  /** Begins to look for endpoints; calls back once when the cluster can be used, maybe at once. */
  start(onReady: () => void): void {
    this.#onReady = onReady;
    this.#stop = this.#discover(this);
  }

  /** The first answer is here; an empty one is an answer too. */
  ready(): void {
    const callback = this.#onReady;
    this.#onReady = undefined;
    callback?.();
  }

  logFailure(name: string, error: unknown): void {
    this.#worker.log.debug(`DNS resolution of ${name} for cluster ${this.name} failed: ${messageOf(error)}`);
  }

  close(): void {
    this.#onReady = undefined;
    this.#stop?.();
    this.cluster.drain();
  }
}

/** How the endpoints of a cluster are found: a function that begins and returns how to stop. */
function discovery(
  config: ClusterConfig,
  worker: WorkerContext,
  endpoints: EndpointSubscriptions,
  resolvers: DnsResolvers,
  errors: ConfigErrors,
): ((active: ActiveCluster) => () => void) | undefined {
  const at = errors.at('load_assignment');
  const { loadAssignment } = config;
  switch (config.discovery) {
    case 'STATIC': {
      const assignment = loadAssignment ? readAssignment(loadAssignment, at) : NO_ENDPOINTS;
      return (active) => {
        active.cluster.setEndpoints(assignment);
        active.ready();
        return () => {};
      };
    }
    case 'STRICT_DNS':
    case 'LOGICAL_DNS': {
      const templates = loadAssignment ? readTemplates(loadAssignment, at) : [];
      const policy = loadAssignment ? policyOf(loadAssignment, at) : NO_ENDPOINTS;
      const { dns: dnsConfig } = config;
      if (dnsConfig === undefined) return undefined;
      if (config.discovery === 'LOGICAL_DNS' && templates.flatMap((t) => t.endpoints).length !== 1) {
        at.add('endpoints', 'LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint');
      }
      return (active) => {
        const { stats } = active.cluster;
        const options = {
          groups: templates,
          policy,
          config: dnsConfig,
          logical: config.discovery === 'LOGICAL_DNS',
          resolver: resolvers.get(dnsConfig.resolver),
        };
        const dns = new DnsDiscovery(options, worker, {
          onEndpoints(assignment, complete) {
            active.cluster.setEndpoints(assignment);
            if (complete) active.ready();
          },
          onAttempt: () => stats.update_attempt++,
          onFailure(name, error) {
            stats.update_failure++;
            active.logFailure(name, error);
          },
          onSuccess: () => stats.update_success++,
        });
        dns.start();
        return () => dns.close();
      };
    }
    case 'EDS': {
      const { eds } = config;
      if (eds === undefined) return undefined;
      return (active) => {
        const { stats } = active.cluster;
        const updates = (stats.endpoints ??= new EndpointUpdates());
        stats.update_attempt++;
        return endpoints.watch(eds.source, eds.serviceName, {
          onEndpoints(assignment, proto, version) {
            stats.update_attempt++;
            stats.update_success++;
            updates.time = worker.timers.wallClock();
            updates.version = version;
            active.endpoints = proto;
            active.cluster.setEndpoints(assignment);
            active.ready();
          },
          onRejected() {
            stats.update_attempt++;
            updates.rejected++;
          },
        });
      };
    }
    default:
      return (active) => {
        active.ready();
        return () => {};
      };
  }
}
