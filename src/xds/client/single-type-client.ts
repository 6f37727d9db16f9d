import { Resource } from '../session/resource-types.ts';
import type { ConfigSource, SubscribeOptions, Subscription, SubscriptionSink } from './config-source.ts';
import { DiscoveryClient, type DiscoveryClientOptions } from './discovery-client.ts';
import { delta, sotw } from './variant.ts';

export interface SingleTypeClientOptions extends DiscoveryClientOptions {
  /** Incremental (`DELTA_GRPC`) rather than state of the world (`GRPC`). */
  readonly delta: boolean;
}

/** The service of each type, and what its methods are called after: `StreamClusters`, `DeltaClusters`. */
const SERVICES: Readonly<Record<string, readonly [service: string, resources: string]>> = {
  [Resource.Listener]: ['listener.v3.ListenerDiscoveryService', 'Listeners'],
  [Resource.Route]: ['route.v3.RouteDiscoveryService', 'Routes'],
  [Resource.Cluster]: ['cluster.v3.ClusterDiscoveryService', 'Clusters'],
  [Resource.Endpoint]: ['endpoint.v3.EndpointDiscoveryService', 'Endpoints'],
  [Resource.Secret]: ['secret.v3.SecretDiscoveryService', 'Secrets'],
  [Resource.ExtensionConfig]: ['extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs'],
  [Resource.Runtime]: ['runtime.v3.RuntimeDiscoveryService', 'Runtime'],
};

/**
 * Resources by the services of their types (`envoy.service.cluster.v3.ClusterDiscoveryService` and its kin), each over a
 * stream of its own: what a control plane without ADS serves, and an agent with secrets.
 */
export class SingleTypeClient implements ConfigSource {
  readonly #options: SingleTypeClientOptions;
  readonly #clients = new Map<string, ConfigSource & { close(): void }>();

  constructor(options: SingleTypeClientOptions) {
    this.#options = options;
  }

  /** A type without a service of its own is a defect of the caller. */
  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options?: SubscribeOptions,
  ): Subscription {
    return this.#client(typeUrl).subscribe(typeUrl, names, sink, options);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(typeUrl: string): ConfigSource {
    const known = this.#clients.get(typeUrl);
    if (known !== undefined) return known;
    const names = SERVICES[typeUrl];
    if (names === undefined) throw new TypeError(`no discovery service has ${typeUrl}`);
    const [service, resources] = names;
    const method = `/envoy.service.${service}`;
    const client = this.#options.delta
      ? new DiscoveryClient(this.#options, delta, `${method}/Delta${resources}`, typeUrl)
      : new DiscoveryClient(this.#options, sotw, `${method}/Stream${resources}`, typeUrl);
    this.#clients.set(typeUrl, client);
    return client;
  }
}
