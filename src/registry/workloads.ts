import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import { type Labels, selects } from './labels.ts';
import type { RegistryOptions } from './options.ts';
import { workloadOfPod } from './pod.ts';
import { groupBy, perObject, sameItems } from './reuse.ts';
import type { Workload } from './workload.ts';
import { workloadOfEntry } from './workload-entry.ts';

type Grouped = ReadonlyMap<string, readonly Workload[]>;

/** The workloads of a mesh, by namespace and by what selects them. */
export class WorkloadIndex {
  /** Pods first, then WorkloadEntries; each oldest first. */
  readonly byNamespace: Grouped;
  /** `namespace/label=value` -> workloads that have the label. */
  readonly #byLabel: Grouped;
  readonly #byAddress = new Map<string, Workload>();

  constructor(all: readonly Workload[], before: WorkloadIndex | undefined) {
    this.byNamespace = groupBy(all, (workload) => workload.namespace, before?.byNamespace);
    const labelled = all.flatMap((workload) =>
      Object.entries(workload.labels).map(([key, value]) => ({
        workload,
        pair: pairOf(workload.namespace, key, value),
      })),
    );
    const byLabel = new Map<string, Workload[]>();
    for (const { workload, pair } of labelled) {
      const group = byLabel.get(pair);
      if (group) group.push(workload);
      else byLabel.set(pair, [workload]);
    }
    for (const [pair, group] of byLabel) {
      const old = before?.labelled(pair);
      if (sameItems(old, group)) byLabel.set(pair, old as Workload[]);
    }
    this.#byLabel = byLabel;
    for (const workload of all) {
      for (const address of workload.addresses) {
        if (workload.kind === 'Pod' && !this.#byAddress.has(address)) this.#byAddress.set(address, workload);
      }
    }
  }

  labelled(pair: string): readonly Workload[] | undefined {
    return this.#byLabel.get(pair);
  }

  /**
   * Workloads of a namespace among which are all that have the selector's labels: those with one of its pairs. The list
   * is the same object for as long as none of them changes.
   */
  candidates(namespace: string, selector: Labels): readonly Workload[] {
    for (const key in selector) return this.#byLabel.get(pairOf(namespace, key, selector[key]!)) ?? NONE;
    return this.byNamespace.get(namespace) ?? NONE;
  }

  select(namespace: string, selector: Labels): Workload[] {
    return this.candidates(namespace, selector).filter((workload) => selects(selector, workload.labels));
  }

  podAt(address: string): Workload | undefined {
    return this.#byAddress.get(address);
  }

  find(namespace: string, name: string): Workload | undefined {
    return this.byNamespace.get(namespace)?.find((workload) => workload.name === name);
  }
}

const NONE: readonly Workload[] = [];

function pairOf(namespace: string, key: string, value: string): string {
  return `${namespace}/${key}=${value}`;
}

/** Makes the workloads of each snapshot out of those before. */
export class WorkloadBuilder {
  readonly #fromPod;
  readonly #fromEntry;
  #before: { readonly inputs: readonly unknown[]; readonly index: WorkloadIndex } | undefined;

  constructor(options: RegistryOptions) {
    this.#fromPod = perObject((object: Parameters<typeof workloadOfPod>[0]) => workloadOfPod(object, options));
    this.#fromEntry = perObject((object: Parameters<typeof workloadOfEntry>[0]) => workloadOfEntry(object, options));
  }

  build(config: ConfigSnapshot): WorkloadIndex {
    const pods = config.list('Pod');
    const entries = config.list('WorkloadEntry');
    const inputs = [...pods, ...entries];
    if (this.#before !== undefined && sameItems(this.#before.inputs, inputs)) return this.#before.index;
    const all = [
      ...pods.map(this.#fromPod).filter((workload) => workload !== undefined),
      ...entries.map(this.#fromEntry),
    ];
    const index = new WorkloadIndex(all, this.#before?.index);
    this.#before = { inputs, index };
    return index;
  }
}
