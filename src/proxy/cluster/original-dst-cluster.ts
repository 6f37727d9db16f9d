import type { WorkerContext } from '../context.ts';
import type { Timer } from '../timers.ts';
import type { LoadBalancerContext } from './cluster.ts';
import type { ClusterConfig } from './config.ts';
import type { Host } from './host.ts';
import { OriginalDestinations } from './original-dst.ts';
import { type CompiledTransport, RuntimeCluster } from './runtime-cluster.ts';

/** A cluster without hosts of its own: each connection goes where its client wanted to go (Istio's PassthroughCluster). */
export class OriginalDestinationCluster extends RuntimeCluster {
  readonly #destinations: OriginalDestinations;
  readonly #worker: WorkerContext;
  #sweeper: Timer | undefined = undefined;

  constructor(config: ClusterConfig, transports: readonly CompiledTransport[], worker: WorkerContext) {
    super(config, transports, worker);
    this.#worker = worker;
    this.#destinations = new OriginalDestinations(worker.timers, config.originalDst);
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
    this.#sweeper = this.#worker.timers.start(cleanupIntervalMs, () => {
      this.#sweeper = undefined;
      for (const host of this.#destinations.sweep(cleanupIntervalMs)) {
        for (const pool of [...host.pools.values()]) pool.drain();
      }
      if (this.#destinations.size > 0) this.#sweepLater();
    });
  }

  override drain(): void {
    this.#sweeper?.cancel();
    for (const host of this.#destinations.hosts) for (const pool of [...host.pools.values()]) pool.drain();
    super.drain();
  }
}
