import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import { aliasesByTarget } from './aliases.ts';
import { allocateAddresses } from './allocate.ts';
import { serviceOfKubernetes, wantsClusterIp } from './kubernetes-service.ts';
import type { RegistryOptions } from './options.ts';
import { perObject, reuseList, sameItems } from './reuse.ts';
import { type Service, serviceKey } from './service.ts';
import { servicesOfServiceEntry, wantsAddress } from './service-entry.ts';

/** All services of a mesh, oldest first, and ways to find them. */
export class ServiceIndex {
  readonly all: readonly Service[];
  readonly #byHost = new Map<string, Map<string, Service>>();
  readonly #byNamespace = new Map<string, Service[]>();

  constructor(all: readonly Service[]) {
    this.all = all;
    for (const service of all) {
      const inNamespace = this.#byNamespace.get(service.namespace);
      if (inNamespace) inNamespace.push(service);
      else this.#byNamespace.set(service.namespace, [service]);
      let byNamespace = this.#byHost.get(service.hostname);
      if (byNamespace === undefined) this.#byHost.set(service.hostname, (byNamespace = new Map()));
      const existing = byNamespace.get(service.namespace);
      if (existing === undefined || preferred(service, existing)) byNamespace.set(service.namespace, service);
    }
  }

  /** Services of one host by namespace: of two in one namespace the older, but Kubernetes' own before any other. */
  byHost(hostname: string): ReadonlyMap<string, Service> {
    return this.#byHost.get(hostname) ?? NONE;
  }

  in(namespace: string): readonly Service[] {
    return this.#byNamespace.get(namespace) ?? [];
  }
}

const NONE: ReadonlyMap<string, Service> = new Map();

/** Nobody can take over the name of a Kubernetes service by declaring it elsewhere first. */
function preferred(service: Service, existing: Service): boolean {
  return existing.origin !== 'Kubernetes' && service.origin === 'Kubernetes';
}

/** Makes the services of each snapshot out of those before: an object that did not change gives the same services. */
export class ServiceBuilder {
  readonly #options: RegistryOptions;
  readonly #fromEntry = perObject(servicesOfServiceEntry);
  readonly #fromKubernetes;
  readonly #variants = new WeakMap<Service, Map<string, Service>>();
  #before: { readonly inputs: readonly unknown[]; readonly index: ServiceIndex } | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#fromKubernetes = perObject((object: Parameters<typeof serviceOfKubernetes>[0]) =>
      serviceOfKubernetes(object, options),
    );
  }

  build(config: ConfigSnapshot): ServiceIndex {
    const entries = config.list('ServiceEntry');
    const kubernetes = config.list('Service');
    const inputs = [...entries, ...kubernetes];
    if (this.#before !== undefined && sameItems(this.#before.inputs, inputs)) return this.#before.index;
    const declared = [...kubernetes.map(this.#fromKubernetes), ...entries.flatMap(this.#fromEntry)];
    declared.sort(byAge);
    const addresses = allocateAddresses(declared, (service) =>
      service.origin === 'Kubernetes'
        ? this.#options.allocateClusterIps && wantsClusterIp(service)
        : this.#options.allocateAddresses && wantsAddress(service),
    );
    const aliases = aliasesByTarget(declared);
    const services = declared.map((service) => {
      const allocated = addresses.get(serviceKey(service));
      const names = aliases.get(service.hostname);
      if (allocated === undefined && names === undefined) return service;
      return this.#variant(service, { allocated, aliases: names ?? [] });
    });
    const all = reuseList(this.#before?.index.all, services);
    const index = all === this.#before?.index.all ? this.#before.index : new ServiceIndex(all);
    this.#before = { inputs, index };
    return index;
  }

  /** The service with what others give it; the same object as long as they give the same. */
  #variant(service: Service, given: Pick<Service, 'allocated' | 'aliases'>): Service {
    const key = JSON.stringify([given.allocated?.ipv4, given.aliases]);
    let variants = this.#variants.get(service);
    if (variants === undefined) this.#variants.set(service, (variants = new Map()));
    let variant = variants.get(key);
    if (variant === undefined) {
      variants.clear();
      variants.set(key, (variant = { ...service, ...given }));
    }
    return variant;
  }
}

function byAge(a: Service, b: Service): number {
  return a.creationTime - b.creationTime || compare(a.name, b.name) || compare(a.namespace, b.namespace);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
