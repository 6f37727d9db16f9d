import type { TargetReference } from '../../config/kinds/shared/selector.ts';
import type { ConfigObject } from '../../config/object.ts';
import { type Labels, selects } from '../../registry/labels.ts';

/** The workload that a policy may be meant for. */
export interface PolicyTarget {
  readonly namespace: string;
  readonly labels: Labels;
}

/** What policies of several kinds have in common: they select workloads by label or name the gateway. */
export interface Attached {
  readonly selector?: { readonly matchLabels?: Labels } | undefined;
  readonly targetRef?: TargetReference | undefined;
  readonly targetRefs?: readonly TargetReference[] | undefined;
}

/** Label of the pods of a gateway that was made from a Gateway API object: the object's name. */
const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** Whether a policy is meant for a workload. One that names its targets is for those alone, whatever its selector. */
export function isFor(policy: ConfigObject<Attached>, target: PolicyTarget): boolean {
  const { selector, targetRef, targetRefs } = policy.spec;
  const references = targetRefs?.length ? targetRefs : targetRef ? [targetRef] : [];
  if (references.length === 0) return selects(selector?.matchLabels, target.labels);
  const gateway = target.labels[GATEWAY_NAME_LABEL];
  return references.some(
    ({ group, kind, name, namespace }) =>
      gateway !== undefined &&
      kind === 'Gateway' &&
      group === 'gateway.networking.k8s.io' &&
      name === gateway &&
      policy.metadata.namespace === target.namespace &&
      (namespace === undefined || namespace === '' || namespace === target.namespace),
  );
}

/** Policies of one kind by namespace. */
export class PolicyIndex<Spec extends Attached> {
  readonly #rootNamespace: string;
  readonly #byNamespace = new Map<string, ConfigObject<Spec>[]>();
  readonly #found = new Map<string, readonly ConfigObject<Spec>[]>();

  constructor(objects: readonly ConfigObject<Spec>[], rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    for (const object of objects) {
      const { namespace } = object.metadata;
      const list = this.#byNamespace.get(namespace);
      if (list) list.push(object);
      else this.#byNamespace.set(namespace, [object]);
    }
  }

  in(namespace: string): readonly ConfigObject<Spec>[] {
    return this.#byNamespace.get(namespace) ?? [];
  }

  /**
   * The policies for a workload: those of the root namespace, which are for the whole mesh, those of its own, and those of
   * the namespace of the service that it calls, where they guard that.
   */
  for(target: PolicyTarget, serviceNamespace = target.namespace): readonly ConfigObject<Spec>[] {
    const key = JSON.stringify([target.namespace, target.labels, serviceNamespace]);
    let found = this.#found.get(key);
    if (found === undefined) {
      const namespaces = new Set([this.#rootNamespace, target.namespace, serviceNamespace]);
      found = [...namespaces].flatMap((namespace) => this.in(namespace)).filter((policy) => isFor(policy, target));
      this.#found.set(key, found);
    }
    return found;
  }
}
