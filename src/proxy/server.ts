import fs from 'node:fs';
import path from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import type { AccessLog as AccessLogProto } from '../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import type { Bootstrap } from '../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import type { Filter as UpstreamFilterProto } from '../api/gen/envoy/config/cluster/v3/filter_pb.ts';
import { LocalitySchema, type Node, NodeSchema } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import { ApiConfigSource_ApiType } from '../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { messageOf, UserError } from '../base/errors.ts';
import type { Logging } from '../base/log.ts';
import type { ConfigSource } from '../xds/client/config-source.ts';
import { daysUntilFirstExpiry } from './admin/certs.ts';
import type { AdminProxy, UnreadyTargets } from './admin/proxy.ts';
import { AdminServer } from './admin/server.ts';
import { PrometheusWriter } from './admin/stats/prometheus.ts';
import { ClusterManager } from './cluster/cluster-manager.ts';
import { clusterDefaults } from './cluster/defaults.ts';
import { ConfigErrors } from './config/errors.ts';
import { configSourceSpec } from './config/source-spec.ts';
import { type UnknownFieldPolicy, UnknownFields } from './config/unknown-fields.ts';
import { durationMs } from './config/values.ts';
import { ExtensionConfigs } from './extension-config.ts';
import { HTTP_FILTERS, NETWORK_FILTERS } from './filters/index.ts';
import { httpConnectionManagerDefinition } from './http/definition.ts';
import { HttpFilterRegistry } from './http/filter-registry.ts';
import { RouteSubscriptions } from './http/rds.ts';
import type { AddressMap } from './net/address-map.ts';
import { formatAddress } from './net/connection.ts';
import { ConnectionLimits } from './net/connection-limits.ts';
import { ListenerManager } from './net/listener-manager.ts';
import { lendNothing } from './net/loans.ts';
import type { UpstreamFilterFactory } from './net/network-filter.ts';
import { NetworkFilterRegistry } from './net/network-filter-registry.ts';
import type { AccessLog } from './observe/access-log/access-log.ts';
import { buildAccessLog } from './observe/access-log/build.ts';
import { LogCollectors } from './observe/access-log/collectors.ts';
import { FileSinks } from './observe/access-log/file-sink.ts';
import { Layouts } from './observe/names/layout.ts';
import { statsSettings } from './observe/names/settings.ts';
import { buildStatsSinks } from './observe/sinks/build.ts';
import { StatsFlusher } from './observe/sinks/flusher.ts';
import type { StatsSink } from './observe/sinks/sink.ts';
import { Tracers } from './observe/tracing/tracers.ts';
import { maxDownstreamConnections } from './overload.ts';
import { Runtime } from './runtime.ts';
import { RuntimeLayers } from './runtime-layers.ts';
import { ServerStats } from './server-stats.ts';
import { Sources } from './sources.ts';
import { TransportSockets } from './transport-sockets.ts';
import { buildVersion, versionNumber } from './version.ts';
import { nodeIdentity, Worker } from './worker.ts';

export interface ProxyOptions {
  readonly bootstrap: Bootstrap;
  /** File that the bootstrap was in: paths of modules are relative to its folder, or to the current one without. */
  readonly configPath?: string;
  readonly logging: Logging;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly serviceZone?: string;
  /** Family of the address that this machine goes by; 4 unless told. */
  readonly localAddressFamily?: 4 | 6;
  /** What becomes of resources with fields that our copy of the API does not have; `warn` unless told. */
  readonly unknownFields?: UnknownFieldPolicy;
  /** How many such fields the bootstrap had, which was taken without them. */
  readonly staticUnknownFields?: number;
  /** File that the address of the admin interface is written to. */
  readonly adminAddressPath?: string;
  /** `--drain-time-s`: how long connections of a listener that goes have to end. */
  readonly drainMs: number;
  /** `--file-flush-interval-msec`: how long a line of an access log may wait for others. */
  readonly accessLogFlushMs?: number | undefined;
  /** `--file-flush-min-size-kb`: how much of an access log is written without waiting. */
  readonly accessLogFlushKb?: number | undefined;
  /** What `/server_info` says about how the process was started. */
  readonly commandLine: Readonly<Record<string, unknown>>;
  /** Configuration sources that stand in for gRPC clusters by name. */
  readonly sources?: ReadonlyMap<string, ConfigSource>;
  /** What addresses mean on this machine; as they are unless told. */
  readonly addresses?: AddressMap;
}

export type ServerState = 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE' | 'DRAINING';

/** The data plane of one process: bootstrap, clusters, listeners, configuration sources, admin interface. */
export class ProxyServer implements AdminProxy {
  readonly options: ProxyOptions;
  readonly worker: Worker;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly routes: RouteSubscriptions;
  readonly extensions: ExtensionConfigs;
  readonly transports: TransportSockets;
  readonly sources: Sources;
  readonly sinks: FileSinks;
  readonly stats = new ServerStats();
  readonly runtime: Runtime;
  readonly filters: HttpFilterRegistry;
  /** How statistics are called and written. */
  readonly statsView: { readonly layouts: Layouts; readonly prometheus: PrometheusWriter };
  readonly startedAt = Date.now();
  /** Resolves when the admin interface is told to end the process. */
  readonly quit = Promise.withResolvers<void>();
  state: ServerState = 'PRE_INITIALIZING';
  readonly #errors = new ConfigErrors();
  readonly #collectors: LogCollectors;
  readonly #flusher: StatsFlusher;
  readonly #runtimeLayers: RuntimeLayers;
  readonly #tracers: Tracers;
  #admin: AdminServer | undefined = undefined;
  #whenLive: (() => void)[] = [];

  constructor(options: ProxyOptions) {
    const { bootstrap, logging } = options;
    this.options = options;
    const log = logging.scope('main');
    const node = nodeIdentity(bootstrap, options);
    this.runtime = new Runtime(bootstrap.layeredRuntime, node.cluster, this.#errors.at('layered_runtime'));
    const worker = new Worker({
      node,
      log,
      runtime: this.runtime,
      unknownFields: new UnknownFields(options.unknownFields ?? 'warn', this.stats, logging.scope('config')),
      addresses: options.addresses,
    });
    this.#runtimeLayers = new RuntimeLayers(
      this.runtime,
      bootstrap.layeredRuntime,
      worker,
      logging.scope('runtime'),
      this.#errors.at('layered_runtime'),
    );
    this.stats.static_unknown_fields = options.staticUnknownFields ?? 0;
    this.worker = worker;
    this.stats.show(worker.stats);
    worker.stats.add('runtime.', this.runtime.stats);
    const layouts = new Layouts(statsSettings(bootstrap.statsConfig, this.#errors.at('stats_config')));
    this.statsView = { layouts, prometheus: new PrometheusWriter(worker.stats, layouts) };
    const { statsFlush, statsFlushInterval } = bootstrap;
    this.#flusher = new StatsFlusher({
      store: worker.stats,
      layouts,
      timers: worker.timers,
      intervalMs:
        statsFlush.case === 'statsFlushOnAdmin' && statsFlush.value ? undefined : durationMs(statsFlushInterval, 5000),
      refresh: () => this.#refreshGauges(),
    });
    this.sinks = new FileSinks(log, options.accessLogFlushMs, options.accessLogFlushKb);
    this.transports = new TransportSockets(
      worker,
      bootstrap.staticResources?.secrets ?? [],
      this.#errors.at('static_resources').at('secrets'),
    );
    this.filters = new HttpFilterRegistry(HTTP_FILTERS, worker);
    this.routes = new RouteSubscriptions(worker, this.filters, (name) => this.clusters.get(name) !== undefined);
    this.extensions = new ExtensionConfigs(worker);
    this.#tracers = new Tracers(worker, this.runtime, bootstrap.tracing?.http);
    const hcm = httpConnectionManagerDefinition({
      filters: this.filters,
      routes: this.routes,
      extensions: this.extensions,
      tracers: this.#tracers,
    });
    const networkFilters = new NetworkFilterRegistry([...NETWORK_FILTERS, hcm]);
    this.clusters = new ClusterManager(
      worker,
      {
        buildTransport: (socket, config, errors) => this.transports.upstream(socket, config, errors),
        buildFilters: (protos, errors) => upstreamFilters(protos, networkFilters, worker, errors),
      },
      clusterDefaults(bootstrap, this.#errors),
    );
    this.#collectors = new LogCollectors({ worker, clusters: this.clusters, node: () => this.nodeMessage });
    worker.setDnsCaches(this.clusters.dnsCaches);
    this.listeners = new ListenerManager(
      {
        worker,
        clusters: this.clusters,
        networkFilters,
        extensions: this.extensions,
        limits: new ConnectionLimits(
          this.runtime,
          maxDownstreamConnections(bootstrap.overloadManager, worker.stats, this.#errors.at('overload_manager')),
        ),
        buildTransport: (socket, statPrefix, errors) => this.transports.downstream(socket, statPrefix, errors),
        buildAccessLogs: (protos, errors) => this.#accessLogs(protos, errors),
        openLog: (path) => this.sinks.get(path),
      },
      options.drainMs,
    );
    this.sources = new Sources({
      clusters: this.clusters,
      node: toBinary(NodeSchema, this.nodeMessage),
      stats: worker.stats,
      log: logging.scope('config'),
      random: worker.random,
      timers: worker.timers,
      unknownFields: worker.unknownFields,
      ads: this.#adsConfig(),
      inProcess: options.sources ?? new Map(),
    });
    worker.setSources((spec) => this.sources.get(spec));
  }

  #statsSinks(): StatsSink[] {
    const { statsSinks, staticResources } = this.options.bootstrap;
    const context = {
      worker: this.worker,
      clusters: this.clusters,
      staticClusters: new Set(staticResources?.clusters.map(({ name }) => name)),
      node: () => this.nodeMessage,
    };
    return buildStatsSinks(statsSinks, context, this.#errors.at('stats_sinks'));
  }

  /** The tracer of the bootstrap is made where a connection manager wants it; what is wrong with it is told here. */
  #checkTracer(): void {
    this.#tracers.acquireDefault(this.clusters, this.#errors.at('tracing').at('http'))?.release();
  }

  #accessLogs(protos: readonly AccessLogProto[], errors: ConfigErrors): AccessLog[] {
    const { random, node, runtime } = this.worker;
    const context = { sinks: this.sinks, collectors: this.#collectors, random, node, runtime };
    return protos.flatMap((proto, i) => buildAccessLog(proto, context, errors.at(i)) ?? []);
  }

  /** Who this proxy is, as it tells the control plane. */
  get nodeMessage(): Node {
    const { node } = this.options.bootstrap;
    const { id, cluster, region, zone, subZone } = this.worker.node;
    return {
      $typeName: 'envoy.config.core.v3.Node',
      metadata: node?.metadata,
      locality: region || zone || subZone ? create(LocalitySchema, { region, zone, subZone }) : undefined,
      dynamicParameters: {},
      id,
      cluster,
      userAgentName: 'isthmus',
      userAgentVersionType: { case: 'userAgentBuildVersion', value: buildVersion() },
      extensions: [],
      clientFeatures: ['envoy.lb.does_not_support_overprovisioning'],
      listeningAddresses: [],
    };
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
    await this.#addOwnFilters();
    const at = errors.at('static_resources');
    if (admin?.address) {
      this.#admin = new AdminServer(this);
      await this.#admin.listen(admin.address);
      this.#tellAdminAddress();
    }
    staticResources?.clusters.forEach((cluster, i) => this.clusters.addStatic(cluster, at.at('clusters').at(i)));
    const sinks = this.#statsSinks();
    this.#checkTracer();
    this.#throwErrors();
    this.#flusher.start(sinks);
    this.state = 'INITIALIZING';
    const cds =
      dynamicResources?.cdsConfig &&
      configSourceSpec(dynamicResources.cdsConfig, errors.at('dynamic_resources').at('cds_config'));
    const lds =
      dynamicResources?.ldsConfig &&
      configSourceSpec(dynamicResources.ldsConfig, errors.at('dynamic_resources').at('lds_config'));
    this.#throwErrors();
    await new Promise<void>((resolve) => this.clusters.whenPrimaryInitialized(resolve));
    await this.#runtimeLayers.start();
    if (cds) this.clusters.subscribe(cds);
    await new Promise<void>((resolve) => this.clusters.whenInitialized(resolve));
    const listeners = staticResources?.listeners ?? [];
    await Promise.all(
      listeners.map((listener, i) => this.listeners.addStatic(listener, at.at('listeners').at(i))),
    ).catch((error: Error) => {
      throw new UserError(error.message);
    });
    this.#throwErrors();
    if (lds) this.listeners.subscribe(lds);
    await new Promise<void>((resolve) => this.listeners.whenInitialized(resolve));
    this.state = 'LIVE';
    this.stats.initialization_time_ms.record(Date.now() - this.startedAt);
    this.stats.version = versionNumber();
    this.stats.live = 1;
    this.worker.log.info('all dependencies initialized. starting workers');
    for (const callback of this.#whenLive) callback();
    this.#whenLive = [];
  }

  /** Compiles the whole bootstrap and starts nothing of it. Throws a UserError with everything that is wrong. */
  async validate(): Promise<void> {
    const { staticResources, dynamicResources } = this.options.bootstrap;
    const errors = this.#errors;
    this.worker.setSources(() => NO_SOURCE);
    await this.#addOwnFilters();
    const resources = errors.at('static_resources');
    staticResources?.clusters.forEach((cluster, i) => this.clusters.check(cluster, resources.at('clusters').at(i)));
    this.#statsSinks();
    this.#checkTracer();
    const { cdsConfig, ldsConfig } = dynamicResources ?? {};
    if (cdsConfig) configSourceSpec(cdsConfig, errors.at('dynamic_resources').at('cds_config'));
    if (ldsConfig) configSourceSpec(ldsConfig, errors.at('dynamic_resources').at('lds_config'));
    staticResources?.listeners.forEach((listener, i) =>
      this.listeners.check(listener, resources.at('listeners').at(i)),
    );
    this.#throwErrors();
  }

  #throwErrors(): void {
    if (!this.#errors.any) return;
    throw new UserError(this.#errors.list.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  }

  #tellAdminAddress(): void {
    const { adminAddressPath: file } = this.options;
    const at = this.#admin?.socketAddress;
    if (file === undefined || at === undefined) return;
    try {
      fs.writeFileSync(file, formatAddress(at));
    } catch (error) {
      throw new UserError(`cannot write the admin address to ${file}: ${messageOf(error)}`);
    }
  }

  /** Filters of the user's own, before anything names them. */
  async #addOwnFilters(): Promise<void> {
    const { bootstrap, configPath } = this.options;
    if (bootstrap.bootstrapExtensions.length === 0) return;
    const { loadFilterModules } = await import('./filter-modules.ts');
    const folder = configPath === undefined ? process.cwd() : path.dirname(configPath);
    const errors = this.#errors.at('bootstrap_extensions');
    const definitions = await loadFilterModules(bootstrap.bootstrapExtensions, folder, errors);
    if (definitions.length > 0) lendNothing();
    for (const definition of definitions) this.filters.add(definition);
  }

  /** Calls back when the server is live, or now if it is. */
  whenLive(callback: () => void): void {
    if (this.state === 'LIVE' || this.state === 'DRAINING') callback();
    else this.#whenLive.push(callback);
  }

  /** `/healthcheck/fail` was called: `/ready` says no. */
  get healthFailed(): boolean {
    return this.worker.health.failed;
  }

  set healthFailed(failed: boolean) {
    this.worker.health.failed = failed;
  }

  get live(): boolean {
    return this.state === 'LIVE' && !this.healthFailed;
  }

  /** The state as the admin interface tells it: one whose health checks fail is on its way out. */
  get shownState(): ServerState {
    return this.healthFailed ? 'DRAINING' : this.state;
  }

  /** What is waited for before the server is live (`/init_dump`), by who waits. */
  unreadyTargets(listenersOnly: boolean): readonly UnreadyTargets[] {
    const targets = [...(listenersOnly ? [] : this.clusters.unready()), ...this.listeners.unready()];
    return targets.length > 0 ? [{ name: 'init manager Server', target_names: targets.map((t) => `target ${t}`) }] : [];
  }

  /** Statistics are asked for. */
  refreshStats(): void {
    this.#flusher.onAdmin();
    this.#refreshGauges();
  }

  /** Brings the gauges of the process up to date. */
  #refreshGauges(): void {
    const { stats } = this;
    const { heapUsed, heapTotal, rss, external } = process.memoryUsage();
    stats.memory_allocated = heapUsed + external;
    stats.memory_heap_size = heapTotal + external;
    stats.memory_physical_size = rss;
    stats.uptime = Math.floor((Date.now() - this.startedAt) / 1000);
    stats.state = STATES.indexOf(this.shownState);
    stats.live = this.live ? 1 : 0;
    stats.total_connections = this.listeners.activeConnections;
    // Envoy's word for no certificate at all.
    stats.days_until_first_cert_expiring = daysUntilFirstExpiry(this) ?? 2 ** 32 - 1;
  }

  /** Where the admin interface listens, once it does. */
  get adminAddress(): { readonly address: string; readonly port: number } | undefined {
    return this.#admin?.address;
  }

  /** Lets connections end: listeners go on or stop taking new ones as told. */
  drain(options: { readonly graceful: boolean; readonly inboundOnly: boolean; readonly skipExit?: boolean }): void {
    this.listeners.drain(options);
  }

  /** Ends everything at once. */
  stop(): void {
    this.#flusher.stop();
    this.#runtimeLayers.close();
    this.listeners.close();
    this.#collectors.flush();
    this.clusters.close();
    this.sources.close();
    this.transports.close();
    this.#admin?.close();
    this.sinks.flush();
  }
}

/** Where nothing ever comes from: a configuration that is only looked at asks nobody. */
const NO_SOURCE: ConfigSource = { subscribe: () => ({ setNames() {}, close() {} }) };

/** In the order of the numbers that `server.state` shows. */
const STATES: readonly ServerState[] = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

/** Filters of the connections to a cluster's hosts (`Cluster.filters`). */
function upstreamFilters(
  protos: readonly UpstreamFilterProto[],
  registry: NetworkFilterRegistry,
  worker: Worker,
  errors: ConfigErrors,
): UpstreamFilterFactory[] {
  return protos.flatMap(
    ({ name, typedConfig }, i) => registry.compileUpstream(name, typedConfig, { worker }, errors.at(i)) ?? [],
  );
}
