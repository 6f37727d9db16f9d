import { RE2JS } from 're2js';
import type { ConfigPatch, EnvoyFilterSpec } from '../../config/kinds/envoy-filter/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { type Labels, selects } from '../../registry/labels.ts';
import { perObject, reuseList } from '../../registry/reuse.ts';
import type { ProxyNode } from '../node.ts';
import type { Origin } from './virtual-service.ts';

/** One patch of an EnvoyFilter. */
export interface Patch {
  readonly spec: ConfigPatch;
  readonly origin: Origin;
}

/** EnvoyFilters by namespace. */
export class EnvoyFilterIndex {
  readonly #rootNamespace: string;
  readonly #byNamespace = new Map<string, ConfigObject<EnvoyFilterSpec>[]>();

  constructor(objects: readonly ConfigObject<EnvoyFilterSpec>[], rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    for (const object of objects) {
      const { namespace } = object.metadata;
      const list = this.#byNamespace.get(namespace);
      if (list) list.push(object);
      else this.#byNamespace.set(namespace, [object]);
    }
  }

  /**
   * The EnvoyFilters for a proxy in the order in which they apply: by priority, then those of the root namespace, then by
   * age. The same list as `before` if it does not differ.
   */
  for(
    namespace: string,
    labels: Labels,
    before: readonly ConfigObject<EnvoyFilterSpec>[] | undefined,
  ): readonly ConfigObject<EnvoyFilterSpec>[] {
    const root = this.#rootNamespace;
    const candidates = [
      ...(this.#byNamespace.get(root) ?? []),
      ...(namespace === root ? [] : (this.#byNamespace.get(namespace) ?? [])),
    ];
    const found = candidates.filter(({ spec }) => {
      if (spec.targetRefs?.length) return false;
      return spec.workloadSelector === undefined || selects(spec.workloadSelector.labels, labels);
    });
    found.sort(({ spec: a, metadata: m }, { spec: b, metadata: n }) => {
      const byPriority = (a.priority ?? 0) - (b.priority ?? 0);
      if (byPriority !== 0) return byPriority;
      if (m.namespace !== n.namespace) return m.namespace === root ? -1 : 1;
      const names = [`${m.name}.${m.namespace}`, `${n.name}.${n.namespace}`] as const;
      return m.creationTimestamp - n.creationTimestamp || (names[0] < names[1] ? -1 : 1);
    });
    return reuseList(before, found);
  }
}

const patchesOf = perObject((object: ConfigObject<EnvoyFilterSpec>): readonly Patch[] =>
  (object.spec.configPatches ?? []).map((spec, i) => ({
    spec,
    origin: { object, path: ['spec', 'configPatches', i] },
  })),
);

/** The patches of those EnvoyFilters whose `match.proxy` is met, in order. */
export function patchesFor(filters: readonly ConfigObject<EnvoyFilterSpec>[], node: ProxyNode): Patch[] {
  return filters.flatMap((object) => patchesOf(object).filter(({ spec }) => matchesProxy(spec, node)));
}

function matchesProxy({ match }: ConfigPatch, node: ProxyNode): boolean {
  const proxy = match?.proxy;
  if (proxy === undefined) return true;
  if (proxy.proxyVersion) {
    // The version that people match is Istio's; a proxy that tells none is not met.
    if (node.istioVersion === '' || !versionPattern(proxy.proxyVersion)?.matcher(node.istioVersion).find())
      return false;
  }
  return Object.entries(proxy.metadata ?? {}).every(([key, value]) => node.metadata[key] === value);
}

const patterns = new Map<string, RE2JS | undefined>();

/** The compiled `proxyVersion`, which Istio reads as a regular expression; undefined if it is none. */
function versionPattern(pattern: string): RE2JS | undefined {
  if (!patterns.has(pattern)) {
    if (patterns.size > 1000) patterns.clear();
    try {
      patterns.set(pattern, RE2JS.compile(pattern));
    } catch {
      patterns.set(pattern, undefined);
    }
  }
  return patterns.get(pattern);
}
