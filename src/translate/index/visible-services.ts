import type { Service } from '../../registry/service.ts';
import type { ServiceIndex } from '../../registry/services.ts';

/** Services by the namespaces that may see them. */
export class VisibleServices {
  readonly #public: Service[] = [];
  /** Those that only some namespaces see: their own first, then those that others export to them. */
  readonly #private = new Map<string, Service[]>();
  readonly #exported = new Map<string, Service[]>();
  readonly #lists = new Map<string, readonly Service[]>();

  constructor(services: ServiceIndex, defaultExportTo: ReadonlySet<string>) {
    for (const service of services.all) {
      const { namespace } = service;
      const exportTo = service.exportTo ?? (defaultExportTo.has('.') ? new Set([namespace]) : defaultExportTo);
      if (exportTo.has('*')) this.#public.push(service);
      else if (!exportTo.has('~')) {
        for (const client of exportTo) {
          // A namespace that the mesh's default names is given to, even where it is the service's own.
          const own = client === namespace && (service.exportTo !== undefined || defaultExportTo.has('.'));
          const map = own ? this.#private : this.#exported;
          const list = map.get(client);
          if (list) list.push(service);
          else map.set(client, [service]);
        }
      }
    }
  }

  /** What a namespace sees; the same list for all namespaces that see only what everyone does. */
  to(namespace: string): readonly Service[] {
    const own = this.#private.get(namespace);
    const exported = this.#exported.get(namespace);
    if (own === undefined && exported === undefined) return this.#public;
    let list = this.#lists.get(namespace);
    if (list === undefined) {
      list = [...(own ?? []), ...(exported ?? []), ...this.#public];
      this.#lists.set(namespace, list);
    }
    return list;
  }
}
