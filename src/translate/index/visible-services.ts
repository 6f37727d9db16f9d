import type { Service } from '../../registry/service.ts';
import type { ServiceIndex } from '../../registry/services.ts';
import type { ServiceExports } from './service-exports.ts';

/** Services by the namespaces that may see them. */
export class VisibleServices {
  readonly #public: Service[] = [];
  /** Those that only some namespaces see, by these. */
  readonly #exported = new Map<string, Service[]>();
  readonly #lists = new Map<string, readonly Service[]>();

  constructor(services: ServiceIndex, exports: ServiceExports) {
    for (const service of services.all) {
      const clients = exports.namespacesOf(service);
      if (clients.has('*')) {
        this.#public.push(service);
        continue;
      }
      for (const client of clients) {
        const list = this.#exported.get(client);
        if (list) list.push(service);
        else this.#exported.set(client, [service]);
      }
    }
  }

  /** What a namespace sees, what not everyone sees first; the same list for all namespaces that see only what everyone does. */
  to(namespace: string): readonly Service[] {
    const exported = this.#exported.get(namespace);
    if (exported === undefined) return this.#public;
    let list = this.#lists.get(namespace);
    if (list === undefined) {
      list = [...exported, ...this.#public];
      this.#lists.set(namespace, list);
    }
    return list;
  }
}
