import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import type { Timer, Timers } from '../timers.ts';
import type { LoadBalancerContext } from './cluster.ts';
import type { ClusterConfig } from './config.ts';
import type { ClusterEnvironment } from './environment.ts';
import type { Host } from './host.ts';
import { OriginalDestinations } from './original-dst.ts';
import { RuntimeCluster } from './runtime-cluster.ts';
import type { MatchedSocket } from './upstream-socket.ts';

/** A cluster without hosts of its own: each connection goes where its client wanted to go (Istio's PassthroughCluster). */
export class OriginalDestinationCluster extends RuntimeCluster {
  readonly #destinations: OriginalDestinations;
  readonly #timers: Timers;
  #sweeper: Timer | undefined = undefined;

  constructor(
    config: ClusterConfig,
    sockets: readonly MatchedSocket[],
    filters: readonly UpstreamFilterFactory[],
    environment: ClusterEnvironment,
  ) {
    super(config, sockets, filters, environment);
    this.#timers = environment.worker.timers;
    this.#destinations = new OriginalDestinations(this.#timers, config.originalDst, (host) => this.addHost(host));
  }

  override get size(): number {
    return this.#destinations.size;
  }

  override get hosts(): Iterable<Host> {
    return this.#destinations.hosts;
  }

  override pick(context: LoadBalancerContext): Host | undefined {
    const host = this.#destinations.pick(context);
    if (host === undefined) this.stats.original_dst_host_invalid++;
    else this.#sweepLater();
    return host;
  }

  #sweepLater(): void {
    if (this.#sweeper !== undefined) return;
    const { cleanupIntervalMs } = this.config;
    this.#sweeper = this.#timers.start(cleanupIntervalMs, () => {
      this.#sweeper = undefined;
      const gone = this.#destinations.sweep(cleanupIntervalMs);
      if (gone.length > 0) this.removeHosts(gone);
      if (this.#destinations.size > 0) this.#sweepLater();
    });
  }

  override drain(): void {
    this.#sweeper?.cancel();
    super.drain();
  }
}
