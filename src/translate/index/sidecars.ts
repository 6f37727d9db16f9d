import type { SidecarSpec } from '../../config/kinds/sidecar/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { type Labels, selects } from '../../registry/labels.ts';

/** Sidecar objects by namespace, in the order in which they are tried: those for some workloads first, then by age. */
export class SidecarIndex {
  readonly #byNamespace = new Map<string, ConfigObject<SidecarSpec>[]>();
  readonly #ofMesh: ConfigObject<SidecarSpec> | undefined;

  constructor(objects: readonly ConfigObject<SidecarSpec>[], rootNamespace: string) {
    const forSome = objects.filter((object) => object.spec.workloadSelector !== undefined);
    const forAll = objects.filter((object) => object.spec.workloadSelector === undefined);
    for (const object of [...forSome, ...forAll]) {
      const { namespace } = object.metadata;
      const list = this.#byNamespace.get(namespace);
      if (list) list.push(object);
      else this.#byNamespace.set(namespace, [object]);
    }
    this.#ofMesh = forAll.find((object) => object.metadata.namespace === rootNamespace);
  }

  /** The Sidecar for a proxy: of its namespace, else the root namespace's. */
  for(namespace: string, labels: Labels): ConfigObject<SidecarSpec> | undefined {
    const own = this.#byNamespace
      .get(namespace)
      ?.find(({ spec }) => spec.workloadSelector === undefined || selects(spec.workloadSelector.labels, labels));
    return own ?? this.#ofMesh;
  }
}
