import type { ConfigSource, SubscribeOptions, Subscription, SubscriptionSink } from './config-source.ts';
import { DiscoveryClient, type DiscoveryClientOptions } from './discovery-client.ts';
import { delta, sotw } from './variant.ts';

export interface AdsClientOptions extends DiscoveryClientOptions {
  /** Incremental (`DELTA_GRPC`) rather than state of the world (`GRPC`). */
  readonly delta: boolean;
}

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

/**
 * All types over one stream (`envoy.service.discovery.v3.AggregatedDiscoveryService`). Connects when something is first
 * subscribed to, and stays connected: see {@link DiscoveryClient}.
 */
export class AdsClient implements ConfigSource {
  readonly #client: ConfigSource & { close(): void };

  constructor(options: AdsClientOptions) {
    this.#client = options.delta
      ? new DiscoveryClient(options, delta, `${ADS}/DeltaAggregatedResources`, '')
      : new DiscoveryClient(options, sotw, `${ADS}/StreamAggregatedResources`, '');
  }

  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options?: SubscribeOptions,
  ): Subscription {
    return this.#client.subscribe(typeUrl, names, sink, options);
  }

  close(): void {
    this.#client.close();
  }
}
