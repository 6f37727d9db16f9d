import type { EndpointSliceSpec } from '../config/kinds/endpoint-slice/schema.ts';
import type { EndpointsSpec } from '../config/kinds/endpoints/schema.ts';
import type { ServiceSpec } from '../config/kinds/service/schema.ts';
import type { ServiceEntrySpec } from '../config/kinds/service-entry/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { Endpoint, ServiceEndpoints } from './endpoint.ts';
import {
  endpointsOfEndpoints,
  endpointsOfSelected,
  endpointsOfSlices,
  SERVICE_NAME_LABEL,
} from './kubernetes-endpoints.ts';
import type { RegistryOptions } from './options.ts';
import { groupBy, reuseMap, sameItems } from './reuse.ts';
import { type Service, serviceKey } from './service.ts';
import { ownEndpoints, selectedEndpoints } from './service-entry-endpoints.ts';
import type { ServiceIndex } from './services.ts';
import type { WorkloadIndex } from './workloads.ts';

export const NO_ENDPOINTS: ServiceEndpoints = { endpoints: [], serviceAccounts: [] };

/** `namespace/host` -> endpoints. The same map as long as none of them changes. */
export type EndpointIndex = ReadonlyMap<string, ServiceEndpoints>;

/** What one declaration of a service gives, remembered with what it was made from. */
interface Remembered {
  readonly inputs: readonly unknown[];
  readonly endpoints: readonly Endpoint[];
}

/**
 * Makes the endpoints of each snapshot out of those before: only services of which the declaration or a candidate
 * workload changed are looked at again.
 */
export class EndpointBuilder {
  readonly #options: RegistryOptions;
  readonly #declared = new WeakMap<ConfigObject, Map<string, Remembered>>();
  readonly #combined = new Map<string, { parts: readonly (readonly Endpoint[])[]; result: ServiceEndpoints }>();
  #slices: ReadonlyMap<string, readonly ConfigObject<EndpointSliceSpec>[]> = new Map();
  #sliceList: readonly unknown[] | undefined;
  #before: EndpointIndex | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  build(config: ConfigSnapshot, services: ServiceIndex, workloads: WorkloadIndex): EndpointIndex {
    const sliceList = config.list('EndpointSlice');
    if (!sameItems(this.#sliceList, sliceList)) {
      this.#sliceList = sliceList;
      this.#slices = groupBy(
        sliceList,
        ({ metadata }) => `${metadata.namespace}/${metadata.labels[SERVICE_NAME_LABEL] ?? ''}`,
        this.#slices,
      );
    }
    const byKey = new Map<string, (readonly Endpoint[])[]>();
    const seen = new Map<string, Set<ConfigObject>>();
    for (const service of services.all) {
      // A ServiceEntry with several addresses is several services with the same endpoints.
      const key = serviceKey(service);
      const sources = seen.get(key);
      if (sources?.has(service.source)) continue;
      if (sources) sources.add(service.source);
      else seen.set(key, new Set([service.source]));
      const endpoints = this.#endpointsOf(service, config, workloads);
      const parts = byKey.get(key);
      if (parts) parts.push(endpoints);
      else byKey.set(key, [endpoints]);
    }
    const index = new Map<string, ServiceEndpoints>();
    for (const [key, parts] of byKey) index.set(key, this.#combine(key, parts));
    for (const key of this.#combined.keys()) if (!index.has(key)) this.#combined.delete(key);
    this.#before = reuseMap(this.#before, index);
    return this.#before;
  }

  #endpointsOf(service: Service, config: ConfigSnapshot, workloads: WorkloadIndex): readonly Endpoint[] {
    return service.origin === 'Kubernetes'
      ? this.#ofKubernetes(service, config, workloads)
      : this.#ofServiceEntry(service, workloads);
  }

  #ofServiceEntry(service: Service, workloads: WorkloadIndex): readonly Endpoint[] {
    const source = service.source as ConfigObject<ServiceEntrySpec>;
    const { namespace, selector, hostname } = service;
    const candidates = selector === undefined ? undefined : workloads.candidates(namespace, selector);
    return this.#remember(source, hostname, [candidates], () =>
      selector === undefined
        ? ownEndpoints(source, hostname, this.#options)
        : workloads.select(namespace, selector).flatMap((workload) => selectedEndpoints(source, workload)),
    );
  }

  #ofKubernetes(service: Service, config: ConfigSnapshot, workloads: WorkloadIndex): readonly Endpoint[] {
    const source = service.source as ConfigObject<ServiceSpec>;
    const { namespace, name, selector } = service;
    const slices = this.#slices.get(`${namespace}/${name}`);
    const written = slices === undefined ? config.get('Endpoints', namespace, name) : undefined;
    const candidates = selector === undefined ? undefined : workloads.candidates(namespace, selector);
    const pods = slices === undefined && written === undefined ? undefined : workloads.byNamespace.get(namespace);
    return this.#remember(source, '', [slices, written, candidates, pods], () => {
      const selected = selector === undefined ? [] : workloads.select(namespace, selector);
      const listed = this.#listed(source, slices, written, workloads);
      const chosen = listed === undefined ? selected : selected.filter((workload) => workload.kind !== 'Pod');
      return [...(listed ?? []), ...chosen.flatMap((workload) => endpointsOfSelected(source, workload))];
    });
  }

  /** Endpoints that somebody else has worked out; undefined if nobody has. */
  #listed(
    source: ConfigObject<ServiceSpec>,
    slices: readonly ConfigObject<EndpointSliceSpec>[] | undefined,
    written: ConfigObject<EndpointsSpec> | undefined,
    workloads: WorkloadIndex,
  ): Endpoint[] | undefined {
    const findPod = (address: string) => workloads.podAt(address);
    if (slices !== undefined) return endpointsOfSlices(source, slices, findPod, this.#options);
    return written && endpointsOfEndpoints(source, written, findPod, this.#options);
  }

  #remember(
    source: ConfigObject,
    key: string,
    inputs: readonly unknown[],
    compute: () => readonly Endpoint[],
  ): readonly Endpoint[] {
    let byHost = this.#declared.get(source);
    if (byHost === undefined) this.#declared.set(source, (byHost = new Map()));
    const known = byHost.get(key);
    if (known !== undefined && sameItems(known.inputs, inputs)) return known.endpoints;
    const endpoints = compute();
    byHost.set(key, { inputs, endpoints });
    return endpoints;
  }

  #combine(key: string, parts: readonly (readonly Endpoint[])[]): ServiceEndpoints {
    const known = this.#combined.get(key);
    if (known !== undefined && sameItems(known.parts, parts)) return known.result;
    const endpoints = parts.length === 1 ? parts[0]! : parts.flat();
    const identities = new Set(endpoints.map((endpoint) => endpoint.serviceAccount).filter((id) => id !== ''));
    const serviceAccounts = [...identities].sort();
    const before = known?.result.serviceAccounts;
    const result = {
      endpoints,
      serviceAccounts: before !== undefined && sameItems(before, serviceAccounts) ? before : serviceAccounts,
    };
    this.#combined.set(key, { parts, result });
    return result;
  }
}
