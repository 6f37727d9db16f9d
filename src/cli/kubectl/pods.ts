import { UserError } from '../../base/errors.ts';
import type { ControlClient } from '../../config/control/client.ts';
import type { ContainerStatus, MeshStatus, PodStatus } from '../../config/control/mesh-api.ts';
import { matchesLabels } from '../../config/labels.ts';
import { notFound } from './errors.ts';
import { fetchResources } from './objects.ts';
import { type ResourceType, resourceTypes } from './resource-type.ts';

/** The pods that a word means, the best one first. */
export interface FoundPods {
  readonly pods: readonly PodStatus[];
  /** What was named: a pod itself, or a workload or Service with pods. */
  readonly type: ResourceType;
  readonly name: string;
}

/**
 * Finds pods by `POD`, `TYPE/NAME` of a workload or Service, or the bare name of a workload. Throws kubectl's errors
 * where there is none.
 */
export async function findPods(
  client: ControlClient,
  { pods }: MeshStatus,
  namespace: string,
  target: string,
): Promise<FoundPods> {
  const here = pods.filter((pod) => pod.namespace === namespace);
  const slash = target.indexOf('/');
  if (slash < 0) return byBareName(here, target);
  const type = resourceTypes(target.slice(0, slash))[0]!;
  const name = target.slice(slash + 1);
  const { definition } = type;
  const own =
    definition.id === 'Pod'
      ? here.filter((pod) => pod.name === name)
      : definition.id === 'Service'
        ? await ofService(client, here, namespace, name)
        : here.filter((pod) => pod.owner === `${definition.id}/${name}`);
  if (own.length > 0) return { pods: bestFirst(own), type, name };
  const [object] = await fetchResources(client, { ...type, namespace, name });
  if (object === undefined) throw notFound(definition, name);
  throw new UserError(`${target} has no pods that run in the namespace ${namespace}`);
}

function byBareName(pods: readonly PodStatus[], name: string): FoundPods {
  const pod = pods.find((p) => p.name === name);
  const type = resourceTypes('pods')[0]!;
  if (pod !== undefined) return { pods: [pod], type, name };
  const owned = pods.filter((p) => p.owner?.endsWith(`/${name}`));
  if (owned.length === 0) throw notFound(type.definition, name);
  return { pods: bestFirst(owned), type: resourceTypes(owned[0]!.owner!.split('/')[0]!)[0]!, name };
}

async function ofService(
  client: ControlClient,
  pods: readonly PodStatus[],
  namespace: string,
  name: string,
): Promise<PodStatus[]> {
  const [{ objects: services }, { objects }] = await Promise.all([
    client.objects({ kinds: ['Service'], namespace, name }),
    client.objects({ kinds: ['Pod'], namespace }),
  ]);
  const spec = services[0]?.raw.spec as { readonly selector?: Readonly<Record<string, string>> } | undefined;
  if (spec?.selector === undefined) return [];
  const selected = new Set(
    objects
      .filter(({ raw }) => matchesLabels(spec.selector, labelsOf(raw)))
      .map(({ key }) => key.slice(key.lastIndexOf('/') + 1)),
  );
  return pods.filter((pod) => selected.has(pod.name));
}

function labelsOf(raw: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return (raw.metadata as { readonly labels?: Readonly<Record<string, string>> }).labels ?? {};
}

/** Ready ones first, as kubectl picks them. */
function bestFirst(pods: readonly PodStatus[]): PodStatus[] {
  return [...pods].sort((a, b) => Number(b.ready === b.size) - Number(a.ready === a.size));
}

/** The container that is meant; without a name the first one, of which `note` tells, as kubectl does. */
export function containerOf(pod: PodStatus, name: string | undefined, note: (text: string) => void): ContainerStatus {
  const container =
    name === undefined ? pod.containers.find((c) => !c.init) : pod.containers.find((c) => c.name === name);
  if (container === undefined) {
    throw new UserError(
      name === undefined
        ? `pod ${pod.name} has no container yet: ${pod.message ?? pod.status}`
        : `container ${name} is not valid for pod ${pod.name}`,
    );
  }
  const names = pod.containers.filter((c) => !c.init).map((c) => c.name);
  if (name === undefined && names.length > 1) {
    note(`Defaulted container ${JSON.stringify(container.name)} out of: ${names.join(', ')}`);
  }
  return container;
}
