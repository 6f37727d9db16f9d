import { Resource } from '../session/resource-types.ts';
import type { ConfigSource, SubscribeOptions, Subscription, SubscriptionSink } from './config-source.ts';
import { DiscoveryClient, type DiscoveryClientOptions } from './discovery-client.ts';
import { delta, sotw } from './variant.ts';

export interface SdsClientOptions extends DiscoveryClientOptions {
  /** Incremental (`DELTA_GRPC`) rather than state of the world (`GRPC`). */
  readonly delta: boolean;
}

const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';

/** Secrets over a stream of their own (`envoy.service.secret.v3.SecretDiscoveryService`), as an agent serves them. */
export class SdsClient implements ConfigSource {
  readonly #client: ConfigSource & { close(): void };

  constructor(options: SdsClientOptions) {
    this.#client = options.delta
      ? new DiscoveryClient(options, delta, `${SDS}/DeltaSecrets`, Resource.Secret)
      : new DiscoveryClient(options, sotw, `${SDS}/StreamSecrets`, Resource.Secret);
  }

  /** Only for secrets: any other type is a defect of the caller. */
  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options?: SubscribeOptions,
  ): Subscription {
    if (typeUrl !== Resource.Secret) throw new TypeError(`a secret discovery service has no ${typeUrl}`);
    return this.#client.subscribe(typeUrl, names, sink, options);
  }

  close(): void {
    this.#client.close();
  }
}
