import type { GrpcService } from '../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { AdsClient } from '../xds/client/ads-client.ts';
import type { ConfigSource } from '../xds/client/config-source.ts';
import { SingleTypeClient } from '../xds/client/single-type-client.ts';
import type { ClusterSource } from './cluster/cluster.ts';
import type { UnknownFieldSink } from './config/errors.ts';
import type { ConfigSourceSpec } from './config/source-spec.ts';
import { streamBackoff } from './config/source-spec.ts';
import { durationMs } from './config/values.ts';
import { FileSource } from './file-source.ts';
import { FileWatcher } from './file-watcher.ts';
import { ClusterGrpcTransport } from './grpc/cluster-transport.ts';
import { StatGroup, type StatsStore } from './observe/stats.ts';
import type { Timers } from './timers.ts';

class ControlPlaneGroup extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['connected_state', 'pending_requests']);
  connected_state = 0;
  pending_requests = 0;
  rate_limit_enforced = 0;
}

export interface SourcesOptions {
  readonly clusters: ClusterSource;
  /** Encoded envoy.config.core.v3.Node. */
  readonly node: Uint8Array;
  readonly stats: StatsStore;
  readonly log: Logger;
  readonly random: () => number;
  readonly timers: Timers;
  readonly unknownFields: UnknownFieldSink;
  /** `dynamic_resources.ads_config`. */
  readonly ads:
    | { readonly service: GrpcService; readonly delta: boolean; readonly nodeOnFirstOnly: boolean }
    | undefined;
  /** Sources that stand in for a gRPC cluster of that name: an agent in the same process. */
  readonly inProcess: ReadonlyMap<string, ConfigSource>;
}

/** Where configuration comes from: ADS, single-type streams through clusters, files, or an agent in the same process. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #streams = new Map<string, SingleTypeClient>();
  readonly #files = new Map<string, FileSource>();
  #watcher: FileWatcher | undefined = undefined;
  #ads: AdsClient | undefined = undefined;
  /** `control_plane.identifier` of the ADS stream. */
  identifier = '';

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  get(spec: ConfigSourceSpec): ConfigSource {
    if (spec.kind === 'ads') return this.#adsClient();
    if (spec.kind === 'path') return this.#file(spec);
    const local = this.#options.inProcess.get(spec.clusterName);
    if (local !== undefined) return local;
    const key = JSON.stringify(spec);
    let client = this.#streams.get(key);
    if (client === undefined) {
      client = new SingleTypeClient({
        ...this.#common(),
        transport: new ClusterGrpcTransport(this.#options.clusters, spec.clusterName),
        ...(spec.backoff && { backoff: spec.backoff }),
        delta: spec.delta,
        initialFetchTimeoutMs: spec.initialFetchTimeoutMs,
      });
      this.#streams.set(key, client);
    }
    return client;
  }

  #file(spec: Extract<ConfigSourceSpec, { kind: 'path' }>): FileSource {
    const key = JSON.stringify(spec);
    let source = this.#files.get(key);
    if (source === undefined) {
      const { timers, log, unknownFields } = this.#options;
      this.#watcher ??= new FileWatcher(timers, log);
      source = new FileSource({ ...spec, watcher: this.#watcher, log, unknownFields, now: () => timers.wallClock() });
      this.#files.set(key, source);
    }
    return source;
  }

  #common() {
    const { node, log, random } = this.#options;
    return { node, log, random, clock: systemClock };
  }

  #adsClient(): AdsClient {
    if (this.#ads !== undefined) return this.#ads;
    const { ads, clusters, stats } = this.#options;
    if (ads === undefined) throw new Error('a resource comes from ADS, and dynamic_resources.ads_config is not set');
    const group = new ControlPlaneGroup();
    stats.add('control_plane.', group);
    const target = ads.service.targetSpecifier;
    const grpc = target.case === 'envoyGrpc' ? target.value : undefined;
    this.#ads = new AdsClient({
      ...this.#common(),
      transport: new ClusterGrpcTransport(clusters, grpc?.clusterName ?? '', {
        authority: grpc?.authority || undefined,
        metadata: ads.service.initialMetadata.map(({ key, value }) => [key, value] as const),
        timeoutMs: ads.service.timeout && durationMs(ads.service.timeout, 0),
      }),
      ...(grpc && streamBackoff(grpc)),
      delta: ads.delta,
      nodeOnFirstMessageOnly: ads.nodeOnFirstOnly,
      stats: {
        connected: (connected) => (group.connected_state = connected ? 1 : 0),
        identifier: (text) => (this.identifier = text),
        pendingRequests: (count) => (group.pending_requests = count),
      },
    });
    return this.#ads;
  }

  close(): void {
    this.#ads?.close();
    for (const client of this.#streams.values()) client.close();
    for (const source of this.#files.values()) source.close();
    this.#watcher?.close();
  }
}
