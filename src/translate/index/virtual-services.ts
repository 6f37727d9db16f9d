import type { VirtualServiceSpec } from '../../config/kinds/virtual-service/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { perObject, reuseList } from '../../registry/reuse.ts';
import { Memo } from '../memo.ts';
import { mergeDelegates, withDelegates } from './delegates.ts';
import { destinationsOf, MESH_GATEWAY, resolveVirtualService, type VirtualService } from './virtual-service.ts';

const NONE: readonly VirtualService[] = [];

/** All VirtualServices, by the gateways to which they are bound and the namespaces that may see them. */
export class VirtualServiceIndex {
  readonly all: readonly VirtualService[];
  /** `namespace gateway` -> those that only this namespace sees because it is their own. */
  readonly #private = new Map<string, VirtualService[]>();
  /** `namespace gateway` -> those that other namespaces export to this one. */
  readonly #exported = new Map<string, VirtualService[]>();
  /** gateway -> those that everyone sees. */
  readonly #public = new Map<string, VirtualService[]>();
  readonly #lists = new Map<string, readonly VirtualService[]>();
  readonly #destinations = new Map<string, ReadonlySet<string>>();
  readonly #before: VirtualServiceIndex | undefined;

  constructor(all: readonly VirtualService[], defaultExportTo: ReadonlySet<string>, before?: VirtualServiceIndex) {
    this.all = all;
    this.#before = before;
    for (const vs of all) {
      const exportTo = vs.exportTo ?? (defaultExportTo.has('.') ? new Set([vs.namespace]) : defaultExportTo);
      for (const gateway of vs.gateways) {
        if (exportTo.has('*')) add(this.#public, gateway, vs);
        else if (!exportTo.has('~')) {
          for (const namespace of exportTo) {
            add(namespace === vs.namespace ? this.#private : this.#exported, `${namespace} ${gateway}`, vs);
          }
        }
      }
    }
    // Lists are compared with those of the index before once, and then it may go.
    for (const key of before?.keys() ?? []) this.#list(key);
    this.#before = undefined;
  }

  /**
   * Those that are bound to a gateway and visible to a proxy's namespace, in the order in which they apply. The same
   * list as long as it does not change.
   */
  forGateway(namespace: string, gateway: string): readonly VirtualService[] {
    return this.#list(`${namespace} ${gateway}`);
  }

  /** Hosts to which the VirtualServices of a gateway send. */
  destinationsOf(gateway: string): ReadonlySet<string> {
    let hosts = this.#destinations.get(gateway);
    if (hosts === undefined) {
      const bound = this.all.filter((vs) => gateway !== MESH_GATEWAY && vs.gateways.includes(gateway));
      hosts = new Set(bound.flatMap((vs) => [...destinationsOf(vs).keys()]));
      this.#destinations.set(gateway, hosts);
    }
    return hosts;
  }

  keys(): Iterable<string> {
    return this.#lists.keys();
  }

  #list(key: string): readonly VirtualService[] {
    let list = this.#lists.get(key);
    if (list !== undefined) return list;
    const [namespace, gateway] = key.split(' ', 2) as [string, string];
    const seenByAll = this.#public.get(gateway) ?? NONE;
    // Routes of the Gateway API: those of the caller's own namespace override those of the service's.
    const overriding = (vs: VirtualService) => vs.semantics === 'gateway' && vs.namespace === namespace;
    const ordered = seenByAll.some(overriding)
      ? [...seenByAll.filter(overriding), ...seenByAll.filter((vs) => !overriding(vs))]
      : seenByAll;
    const own = this.#private.get(key);
    const exported = this.#exported.get(key);
    list = own === undefined && exported === undefined ? ordered : [...(own ?? []), ...(exported ?? []), ...ordered];
    list = reuseList(this.#before === undefined ? undefined : this.#before.#lists.get(key), list);
    this.#lists.set(key, list);
    return list;
  }
}

function add(map: Map<string, VirtualService[]>, key: string, vs: VirtualService): void {
  const list = map.get(key);
  if (list) list.push(vs);
  else map.set(key, [vs]);
}

/** Makes the index of each snapshot, out of the same VirtualServices as long as their objects are the same. */
export class VirtualServiceBuilder {
  readonly #resolve;
  readonly #merged = new Memo<VirtualService>();

  constructor(domain: string) {
    this.#resolve = perObject((object: ConfigObject<VirtualServiceSpec>) => resolveVirtualService(object, domain));
  }

  build(
    objects: readonly ConfigObject<VirtualServiceSpec>[],
    defaultExportTo: ReadonlySet<string>,
    before?: VirtualServiceIndex,
  ): VirtualServiceIndex {
    const all = mergeDelegates(objects.map(this.#resolve), defaultExportTo, (root, delegates) =>
      this.#merged.get([root, ...delegates], '', () => withDelegates(root, delegates)),
    );
    return new VirtualServiceIndex(all, defaultExportTo, before);
  }
}
