import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { Endpoint, ServiceEndpoints } from './endpoint.ts';
import { EndpointBuilder, type EndpointIndex, NO_ENDPOINTS } from './endpoints.ts';
import type { Labels } from './labels.ts';
import type { RegistryOptions } from './options.ts';
import { perObject, reuseMap } from './reuse.ts';
import { type Service, type ServiceTarget, serviceKey } from './service.ts';
import { ServiceBuilder, type ServiceIndex } from './services.ts';
import { WorkloadBuilder, type WorkloadIndex } from './workloads.ts';

/** What serves what, and where, at one moment: services, their endpoints, and the workloads behind them. */
export interface Registry {
  readonly services: ServiceIndex;
  /** By {@link serviceKey}. The same object as long as no endpoint changes. */
  readonly endpointIndex: EndpointIndex;
  readonly workloads: WorkloadIndex;
  /** Labels of the namespaces that were declared. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  endpoints(service: { readonly hostname: string; readonly namespace: string }): ServiceEndpoints;
  /**
   * The services of its namespace that a proxy at these addresses serves, oldest first, with the ports on which it does.
   * Services do not reach over namespaces, so nobody can put one in front of somebody else's workload.
   */
  targets(namespace: string, addresses: readonly string[]): readonly ServiceTarget[];
  /** The labels under which the registry knows the workload at these addresses; undefined if it knows none. */
  labels(namespace: string, addresses: readonly string[]): Labels | undefined;
  /** The endpoint that the workload at these addresses is, for its locality and network. */
  endpointAt(namespace: string, addresses: readonly string[]): Endpoint | undefined;
}

/**
 * Makes a registry of each snapshot of configuration. Whatever has the same inputs as in the snapshot before is the same
 * object as before, so that a change of one endpoint costs no more than that, here and in everything made from it.
 */
export class RegistryBuilder {
  readonly #services: ServiceBuilder;
  readonly #workloads: WorkloadBuilder;
  readonly #endpoints: EndpointBuilder;
  #before: RegistryState | undefined;

  constructor(options: RegistryOptions) {
    this.#services = new ServiceBuilder(options);
    this.#workloads = new WorkloadBuilder(options);
    this.#endpoints = new EndpointBuilder(options);
  }

  build(config: ConfigSnapshot): Registry {
    const services = this.#services.build(config);
    const workloads = this.#workloads.build(config);
    const endpoints = this.#endpoints.build(config, services, workloads);
    const namespaces = reuseMap(
      this.#before?.namespaces,
      new Map(config.list('Namespace').map(({ metadata }) => [metadata.name, metadata.labels])),
    );
    const before = this.#before;
    if (
      before !== undefined &&
      before.services === services &&
      before.workloads === workloads &&
      before.endpointIndex === endpoints &&
      before.namespaces === namespaces
    ) {
      return before;
    }
    this.#before = new RegistryState(services, workloads, endpoints, namespaces);
    return this.#before;
  }
}

interface Placed {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

/** Endpoints by address; an object of endpoints that did not change is indexed once. */
const byAddress = perObject(({ endpoints }: ServiceEndpoints) => {
  const index = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    for (const address of [endpoint.address, ...endpoint.extraAddresses]) {
      const at = index.get(address);
      if (at) at.push(endpoint);
      else index.set(address, [endpoint]);
    }
  }
  return index;
});

class RegistryState implements Registry {
  readonly services: ServiceIndex;
  readonly workloads: WorkloadIndex;
  readonly endpointIndex: EndpointIndex;
  readonly namespaces: ReadonlyMap<string, Labels>;

  constructor(
    services: ServiceIndex,
    workloads: WorkloadIndex,
    endpointIndex: EndpointIndex,
    namespaces: ReadonlyMap<string, Labels>,
  ) {
    this.services = services;
    this.workloads = workloads;
    this.endpointIndex = endpointIndex;
    this.namespaces = namespaces;
  }

  endpoints(service: { readonly hostname: string; readonly namespace: string }): ServiceEndpoints {
    return this.endpointIndex.get(serviceKey(service)) ?? NO_ENDPOINTS;
  }

  targets(namespace: string, addresses: readonly string[]): readonly ServiceTarget[] {
    const targets: ServiceTarget[] = [];
    for (const { service, endpoint } of this.#at(namespace, addresses)) {
      const port = service.ports.find((p) => p.name === endpoint.portName);
      if (port === undefined) continue;
      const known = targets.some((t) => t.service === service && t.port === port && t.targetPort === endpoint.port);
      if (!known) targets.push({ service, port, targetPort: endpoint.port });
    }
    return targets.sort(
      ({ service: a }, { service: b }) =>
        a.creationTime - b.creationTime || (a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : 0),
    );
  }

  labels(namespace: string, addresses: readonly string[]): Labels | undefined {
    const pod = this.#podAt(namespace, addresses);
    return pod?.labels ?? this.endpointAt(namespace, addresses)?.labels;
  }

  endpointAt(namespace: string, addresses: readonly string[]): Endpoint | undefined {
    for (const { endpoint } of this.#at(namespace, addresses)) return endpoint;
    return undefined;
  }

  #podAt(namespace: string, addresses: readonly string[]) {
    for (const address of addresses) {
      const pod = this.workloads.podAt(address);
      if (pod?.namespace === namespace) return pod;
    }
    return undefined;
  }

  *#at(namespace: string, addresses: readonly string[]): Iterable<Placed> {
    for (const service of this.services.in(namespace)) {
      const index = byAddress(this.endpoints(service));
      if (index.size === 0) continue;
      for (const address of addresses) {
        for (const endpoint of index.get(address) ?? []) yield { service, endpoint };
      }
    }
  }
}
