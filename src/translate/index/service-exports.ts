import type { NamespaceSpec } from '../../config/kinds/namespace/schema.ts';
import { matchesLabelSelector } from '../../config/labels.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { Service } from '../../registry/service.ts';
import type { Mesh } from '../mesh.ts';

/** How far services of ServiceEntries reach at most, whatever their `exportTo` says. */
type Reach = 'NONE' | 'NAMESPACE' | 'PUBLIC';

/** Label that every namespace of Kubernetes has. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

/**
 * To which namespaces services are exported: by their own `exportTo`, MeshConfig `defaultServiceExportTo`, and within the
 * bounds of MeshConfig `serviceEntryVisibility` where that is to hold for sidecars and gateways.
 */
export class ServiceExports {
  readonly #defaultExportTo: ReadonlySet<string>;
  readonly #bounds: Mesh['serviceEntryVisibility'];
  readonly #labels: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly #reach = new Map<string, Reach>();

  constructor(mesh: Mesh, namespaces: readonly ConfigObject<NamespaceSpec>[]) {
    const bounds = mesh.serviceEntryVisibility;
    this.#defaultExportTo = new Set(mesh.defaultServiceExportTo);
    this.#bounds = bounds?.applyToSidecars ? bounds : undefined;
    this.#labels = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels]));
  }

  /** Whether a namespace may see a service. */
  isVisible(service: Service, namespace: string): boolean {
    const reach = this.#reachOf(service);
    if (reach === 'NONE' || (reach === 'NAMESPACE' && service.namespace !== namespace)) return false;
    const exportTo = service.exportTo ?? this.#defaultExportTo;
    return exportTo.has('*') || exportTo.has(namespace) || (exportTo.has('.') && service.namespace === namespace);
  }

  /** The namespaces that may see a service: `*` is all of them. */
  namespacesOf(service: Service): ReadonlySet<string> {
    const { namespace } = service;
    const own = new Set([namespace]);
    const exportTo = service.exportTo ?? (this.#defaultExportTo.has('.') ? own : this.#defaultExportTo);
    const reach = this.#reachOf(service);
    if (exportTo.has('~') || reach === 'NONE') return new Set();
    if (reach === 'PUBLIC') return exportTo;
    return exportTo.has('*') || exportTo.has(namespace) ? own : new Set();
  }

  #reachOf({ origin, namespace }: Service): Reach {
    if (this.#bounds === undefined || origin !== 'ServiceEntry') return 'PUBLIC';
    let reach = this.#reach.get(namespace);
    if (reach === undefined) this.#reach.set(namespace, (reach = this.#find(namespace)));
    return reach;
  }

  /** The first policy decides of which all rules match. */
  #find(namespace: string): Reach {
    const { defaultVisibility, policies = [] } = this.#bounds!;
    const labels = { ...this.#labels.get(namespace), [NAME_LABEL]: namespace };
    const policy = policies.find(({ matchingRules = [] }) =>
      matchingRules.every(
        ({ namespaceSelector: selector }) => selector !== undefined && matchesLabelSelector(selector, labels),
      ),
    );
    const visibility = policy === undefined ? defaultVisibility : policy.visibility;
    return visibility === 'NONE' || visibility === 'NAMESPACE' ? visibility : 'PUBLIC';
  }
}
