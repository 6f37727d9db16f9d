import { toBinary } from '@bufbuild/protobuf';
import type { Bootstrap } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { NodeSchema } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import { ApiConfigSource_ApiType } from '../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { UserError } from '../base/errors.ts';
import type { Logging } from '../base/log.ts';
import type { ConfigSource } from '../xds/client/config-source.ts';
import { AdminServer } from './admin/server.ts';
import { ClusterManager } from './cluster/cluster-manager.ts';
import { ConfigErrors } from './config/errors.ts';
import { configSourceSpec } from './config/values.ts';
import { HTTP_FILTERS, NETWORK_FILTERS } from './filters/index.ts';
import { httpConnectionManagerDefinition } from './http/definition.ts';
import { HttpFilterRegistry } from './http/filter-registry.ts';
import { RouteSubscriptions } from './http/rds.ts';
import type { AddressMap } from './net/address-map.ts';
import { ListenerManager } from './net/listener-manager.ts';
import { NetworkFilterRegistry } from './net/network-filter-registry.ts';
import { buildAccessLog } from './observe/access-log/build.ts';
import { FileSinks } from './observe/access-log/file-sink.ts';
import { ServerStats } from './server-stats.ts';
import { Sources } from './sources.ts';
import { TransportSockets } from './transport-sockets.ts';
import { nodeIdentity, Worker } from './worker.ts';

export interface ProxyOptions {
  readonly bootstrap: Bootstrap;
  readonly logging: Logging;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  /** `--drain-time-s`: how long connections of a listener that goes have to end. */
  readonly drainMs: number;
  /** `--file-flush-interval-msec`: how long a line of an access log may wait for others. */
  readonly accessLogFlushMs?: number;
  /** What `/server_info` says about how the process was started. */
  readonly commandLine: Readonly<Record<string, string | number | boolean>>;
  /** Configuration sources that stand in for gRPC clusters by name. */
  readonly sources?: ReadonlyMap<string, ConfigSource>;
  /** What addresses mean on this machine; as they are unless told. */
  readonly addresses?: AddressMap;
}

export type ServerState = 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE' | 'DRAINING';

/** The data plane of one process: bootstrap, clusters, listeners, configuration sources, admin interface. */
export class ProxyServer {
  readonly options: ProxyOptions;
  readonly worker: Worker;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly routes: RouteSubscriptions;
  readonly transports: TransportSockets;
  readonly sources: Sources;
  readonly sinks: FileSinks;
  readonly stats = new ServerStats();
  readonly startedAt = Date.now();
  state: ServerState = 'PRE_INITIALIZING';
  /** `/healthcheck/fail` was called: `/ready` says no. */
  healthFailed = false;
  readonly #errors = new ConfigErrors();
  #admin: AdminServer | undefined = undefined;
  #whenLive: (() => void)[] = [];

  constructor(options: ProxyOptions) {
    const { bootstrap, logging } = options;
    this.options = options;
    const log = logging.scope('main');
    const worker = new Worker(nodeIdentity(bootstrap, options), log, options.addresses);
    this.worker = worker;
    this.stats.show(worker.stats);
    this.sinks = new FileSinks(log, options.accessLogFlushMs);
    this.transports = new TransportSockets(
      worker,
      bootstrap.staticResources?.secrets ?? [],
      this.#errors.at('static_resources').at('secrets'),
    );
    this.clusters = new ClusterManager(worker, (socket, config, errors) =>
      this.transports.upstream(socket, config, errors),
    );
    const filters = new HttpFilterRegistry(HTTP_FILTERS, worker);
    this.routes = new RouteSubscriptions(worker, filters);
    const hcm = httpConnectionManagerDefinition({ filters, routes: this.routes });
    this.listeners = new ListenerManager(
      {
        worker,
        clusters: this.clusters,
        networkFilters: new NetworkFilterRegistry([...NETWORK_FILTERS, hcm]),
        buildTransport: (socket, statPrefix, errors) => this.transports.downstream(socket, statPrefix, errors),
        buildAccessLogs: (protos, errors) =>
          protos.flatMap((proto, i) => {
            const built = buildAccessLog(proto, { sinks: this.sinks, random: worker.random }, errors.at(i));
            return built ? [built] : [];
          }),
      },
      options.drainMs,
    );
    this.sources = new Sources({
      clusters: this.clusters,
      node: this.#node(),
      stats: worker.stats,
      log: logging.scope('config'),
      random: worker.random,
      ads: this.#adsConfig(),
      inProcess: options.sources ?? new Map(),
    });
    worker.setSources((spec) => this.sources.get(spec));
  }

  #node(): Uint8Array {
    const { node } = this.options.bootstrap;
    const { id, cluster } = this.worker.node;
    return toBinary(NodeSchema, {
      $typeName: 'envoy.config.core.v3.Node',
      metadata: node?.metadata,
      locality: node?.locality,
      dynamicParameters: {},
      id,
      cluster,
      userAgentName: 'isthmus',
      userAgentVersionType: { case: 'userAgentVersion', value: VERSION },
      extensions: [],
      clientFeatures: ['envoy.lb.does_not_support_overprovisioning'],
      listeningAddresses: [],
    });
  }

  #adsConfig() {
    const config = this.options.bootstrap.dynamicResources?.adsConfig;
    if (config === undefined) return undefined;
    const [service] = config.grpcServices;
    if (service?.targetSpecifier.case !== 'envoyGrpc') {
      throw new UserError('dynamic_resources.ads_config: grpc_services[0].envoy_grpc is needed');
    }
    return {
      service,
      delta: config.apiType === ApiConfigSource_ApiType.DELTA_GRPC,
      nodeOnFirstOnly: config.setNodeOnFirstMessageOnly,
    };
  }

  /** Compiles the static resources and starts the admin interface. Throws a UserError with everything that is wrong. */
  async start(): Promise<void> {
    const { staticResources, dynamicResources, admin } = this.options.bootstrap;
    const errors = this.#errors;
    const at = errors.at('static_resources');
    if (admin?.address) {
      this.#admin = new AdminServer(this);
      await this.#admin.listen(admin.address);
    }
    staticResources?.clusters.forEach((cluster, i) => this.clusters.addStatic(cluster, at.at('clusters').at(i)));
    if (errors.any) throw new UserError(errors.list.map((e) => `${e.path}: ${e.message}`).join('\n'));
    this.state = 'INITIALIZING';
    const cds =
      dynamicResources?.cdsConfig &&
      configSourceSpec(dynamicResources.cdsConfig, errors.at('dynamic_resources').at('cds_config'));
    const lds =
      dynamicResources?.ldsConfig &&
      configSourceSpec(dynamicResources.ldsConfig, errors.at('dynamic_resources').at('lds_config'));
    if (errors.any) throw new UserError(errors.list.map((e) => `${e.path}: ${e.message}`).join('\n'));
    if (cds) this.clusters.subscribe(cds);
    await new Promise<void>((resolve) => this.clusters.whenInitialized(resolve));
    const listeners = staticResources?.listeners ?? [];
    await Promise.all(
      listeners.map((listener, i) => this.listeners.addStatic(listener, at.at('listeners').at(i))),
    ).catch((error: Error) => {
      throw new UserError(error.message);
    });
    if (errors.any) throw new UserError(errors.list.map((e) => `${e.path}: ${e.message}`).join('\n'));
    if (lds) this.listeners.subscribe(lds);
    await new Promise<void>((resolve) => this.listeners.whenInitialized(resolve));
    this.state = 'LIVE';
    this.stats.live = 1;
    this.worker.log.info('all dependencies initialized. starting workers');
    for (const callback of this.#whenLive) callback();
    this.#whenLive = [];
  }

  /** Calls back when the server is live, or now if it is. */
  whenLive(callback: () => void): void {
    if (this.state === 'LIVE' || this.state === 'DRAINING') callback();
    else this.#whenLive.push(callback);
  }

  get live(): boolean {
    return this.state === 'LIVE' && !this.healthFailed;
  }

  /** Where the admin interface listens, once it does. */
  get adminAddress(): { readonly address: string; readonly port: number } | undefined {
    return this.#admin?.address;
  }

  /** Lets connections end: listeners go on or stop taking new ones as told. */
  drain(options: { readonly graceful: boolean; readonly inboundOnly: boolean }): void {
    if (!options.inboundOnly) this.state = 'DRAINING';
    this.listeners.drain(options);
  }

  /** Ends everything at once. */
  stop(): void {
    this.listeners.close();
    this.clusters.close();
    this.sources.close();
    this.transports.close();
    this.#admin?.close();
    this.sinks.flush();
  }
}

/** The version that the admin interface and the node tell. */
export const VERSION = '0.1.0';
