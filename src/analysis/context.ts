import type { CompleteMeshConfig } from '../config/kinds/mesh-config/defaults.ts';
import type { MeshNetworks } from '../config/kinds/mesh-config/networks.ts';
import type { FieldPath } from '../config/object.ts';
import { createMessage, type KnownPlace, type Message, type Parameter } from './message.ts';
import type { MessageCode } from './message-types.ts';
import type { Resource, ResourceKind } from './resource.ts';

/** A pod, or what will be one: the template of a workload. */
export interface Workload {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly containers: readonly { readonly name?: string; readonly image?: string }[];
  readonly nodeName: string | undefined;
}

export interface Replacement {
  readonly before: Resource;
  readonly after: Resource;
}

export interface ContextOptions {
  readonly mesh: CompleteMeshConfig;
  readonly networks: MeshNetworks;
  /** Whether the resources are all that there are. Files rarely have every pod, service and secret of a mesh. */
  readonly complete: boolean;
  /** Resources that stand for an installation which is not among the files. */
  readonly implicit: ReadonlySet<Resource>;
  /** Milliseconds since 1970, against which certificates are held. */
  readonly now: number;
}

/** What analyzers ask of a set of resources, and where they say what they found. */
export class AnalysisContext {
  readonly mesh: CompleteMeshConfig;
  readonly networks: MeshNetworks;
  readonly now: number;
  readonly messages: Message[] = [];
  /** Resources of which another one of the same kind and name has taken the place. */
  readonly replaced: readonly Replacement[];
  readonly #byKind: ReadonlyMap<ResourceKind, ReadonlyMap<string, Resource>>;
  readonly #byName = new Map<string, Resource>();
  readonly #options: ContextOptions;
  #workloads: readonly Workload[] | undefined;

  /** Of resources of the same kind and name the last one counts; those of `underlay` are meant to be replaced. */
  constructor(underlay: readonly Resource[], resources: readonly Resource[], options: ContextOptions) {
    this.mesh = options.mesh;
    this.networks = options.networks;
    this.now = options.now;
    this.#options = options;
    const byKind = new Map<ResourceKind, Map<string, Resource>>();
    const replaced: Replacement[] = [];
    const isUnderlay = new Set(underlay);
    for (const resource of [...underlay, ...resources]) {
      const ofKind = byKind.get(resource.id) ?? new Map<string, Resource>();
      // Those of different clusters are different resources.
      const key = `${resource.cluster ?? ''}/${resource.namespace}/${resource.name}`;
      const before = ofKind.get(key);
      if (before !== undefined && !isUnderlay.has(before)) replaced.push({ before, after: resource });
      ofKind.set(key, resource);
      this.#byName.set(`${resource.id}/${resource.namespace}/${resource.name}`, resource);
      byKind.set(resource.id, ofKind);
    }
    this.#byKind = byKind;
    this.replaced = replaced;
  }

  /** All resources of a kind, in the order in which they were read. */
  list<K extends ResourceKind>(kind: K): readonly Resource<K>[] {
    return [...(this.#byKind.get(kind)?.values() ?? [])] as unknown as readonly Resource<K>[];
  }

  /** `namespace` is empty for what is in none. */
  find<K extends ResourceKind>(kind: K, namespace: string, name: string): Resource<K> | undefined {
    const found = this.#byName.get(`${kind}/${namespace}/${name}`);
    return found as unknown as Resource<K> | undefined;
  }

  /**
   * Whether it can be said of these kinds that something is not there: of files, only if they have any of them. Nobody
   * keeps secrets in the same folder as routes.
   */
  knows(...kinds: ResourceKind[]): boolean {
    const { complete, implicit } = this.#options;
    return complete || kinds.some((kind) => this.list(kind).some((resource) => !implicit.has(resource)));
  }

  /** Whether there is nothing beside the resources, as in a running mesh. */
  get knowsAll(): boolean {
    return this.#options.complete;
  }

  /** The pods; of files that have none, the templates of their workloads in their place, besides implicit pods. */
  get workloads(): readonly Workload[] {
    this.#workloads ??= this.#findWorkloads();
    return this.#workloads;
  }

  /** Whether it can be said that no workload is selected. */
  get knowsWorkloads(): boolean {
    const { complete, implicit } = this.#options;
    return complete || this.workloads.length > [...implicit].filter(({ id }) => id === 'Pod').length;
  }

  /** Reports a message about a resource, and about the field at `place` when that is known. */
  report(
    code: MessageCode,
    resource: Resource,
    parameters: readonly Parameter[] = [],
    place?: FieldPath | KnownPlace,
  ): void {
    this.messages.push(createMessage(code, resource, parameters, place));
  }

  #findWorkloads(): readonly Workload[] {
    const pods = this.list('Pod').map((pod) => ({
      namespace: pod.namespace,
      name: pod.name,
      labels: pod.labels,
      annotations: pod.annotations,
      containers: [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])],
      nodeName: pod.spec.nodeName,
    }));
    if (this.knows('Pod')) return pods;
    const owners = (['Deployment', 'StatefulSet', 'ReplicaSet', 'Job'] as const).flatMap((kind) => this.list(kind));
    const templates = owners.map(({ namespace, name, spec: { template } }) => ({
      namespace,
      name,
      labels: (template?.metadata?.labels ?? {}) as Readonly<Record<string, string>>,
      annotations: (template?.metadata?.annotations ?? {}) as Readonly<Record<string, string>>,
      containers: [...(template?.spec?.containers ?? []), ...(template?.spec?.initContainers ?? [])],
      nodeName: undefined,
    }));
    return [...pods, ...templates];
  }
}
