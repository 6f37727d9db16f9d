import { UserError } from '../base/errors.ts';
import type { ControlClient } from '../config/control/client.ts';
import type { Capture } from '../config/control/mesh-api.ts';
import type { ObjectView } from './object-view.ts';
import type { PodReports } from './pod-reports.ts';
import { type DesiredPod, desiredPods, type PodOwner, podKey } from './pods/desired-pod.ts';
import { type Injection, injectedPod, injectionOf } from './pods/injection.ts';
import { Pod } from './pods/pod.ts';
import type { PodSurroundings } from './pods/pod-surroundings.ts';
import type { PodToBe } from './surroundings.ts';

export interface PodSetOptions {
  readonly view: ObjectView;
  readonly reports: PodReports;
  readonly control: ControlClient;
  readonly surroundings: (key: string, pod: PodToBe) => PodSurroundings;
  /** A pod has gone, and its addresses are free. */
  readonly onGone: (key: string) => void;
}

/** How far the replacement of a workload's pods is; done when the old ones have gone. */
export type RolloutState = 'under way' | 'done' | { readonly failed: string };

const DRAIN_WAIT_MS = 2_000;

/** The pods of a mesh at work: those that the configuration wants, and those whose programs somebody else runs. */
export class PodSet {
  readonly #options: PodSetOptions;
  readonly #pods = new Map<string, Pod>();
  readonly #runs = new Map<string, Pod>();
  /** `Deployment/namespace/name` -> when its pods were last to be made anew. */
  readonly #restarted = new Map<string, string>();
  #stopping = false;

  constructor(options: PodSetOptions) {
    this.#options = options;
  }

  get(key: string): Pod | undefined {
    return this.#pods.get(key) ?? this.#runs.get(key);
  }

  /** All of them, in the order of their names. */
  get all(): Pod[] {
    return [...this.#pods.values(), ...this.#runs.values()].sort((a, b) =>
      podKey(a.desired) < podKey(b.desired) ? -1 : 1,
    );
  }

  /** Whether there are as many as the configuration wants, and each has come as far as it will. */
  get settled(): boolean {
    if (this.#pods.size < this.#desired().length) return false;
    return this.all.every((pod) => pod.settled && !pod.terminating);
  }

  #desired(): DesiredPod[] {
    return desiredPods(this.#options.view, (kind, namespace, name) =>
      this.#restarted.get(`${kind}/${namespace}/${name}`),
    );
  }

  /** Starts the pods that are wanted and stops those that are not, once those in their place are ready. */
  reconcile(): void {
    const wanted = new Map(this.#desired().map((desired) => [podKey(desired), desired]));
    for (const [key, desired] of wanted) {
      const pod = this.#pods.get(key);
      if (pod === undefined) {
        if (desired.overlaps || !this.#hasPredecessor(desired, wanted)) this.#create(key, desired);
      } else if (pod.desired.hash !== desired.hash && !pod.terminating) void this.#remove(key, pod);
    }
    for (const [key, pod] of this.#pods) {
      if (wanted.has(key) || pod.terminating) continue;
      const successors = [...wanted.values()].filter((d) => d.overlaps && isOfSameOwner(d, pod.desired));
      const ready = successors.filter((d) => this.#pods.get(podKey(d))?.ready).length;
      if (ready === successors.length) void this.#remove(key, pod);
    }
  }

  /** Whether pods are still there in whose place this one comes. */
  #hasPredecessor(desired: DesiredPod, wanted: ReadonlyMap<string, DesiredPod>): boolean {
    return [...this.#pods].some(([key, pod]) => !wanted.has(key) && isOfSameOwner(pod.desired, desired));
  }

  /** What stands beside the programs of a pod. */
  injection(desired: DesiredPod): Injection {
    const namespace = this.#options.view.get('Namespace', '', desired.namespace);
    return injectionOf(desired, namespace?.metadata.labels ?? {});
  }

  #create(key: string, desired: DesiredPod): void {
    const { surroundings, reports } = this.#options;
    const injection = this.injection(desired);
    const around = surroundings(key, { desired, injection, external: false });
    const pod = new Pod(injectedPod(desired, injection), injection, around);
    this.#pods.set(key, pod);
    reports.tell(pod).catch(() => {});
    void pod.start();
  }

  /** Adds a workload whose program somebody else runs. */
  addRun(desired: DesiredPod, capture: Capture | undefined): Pod {
    const key = podKey(desired);
    if (this.get(key)) throw new UserError(`there is a pod ${key} already`);
    const { surroundings, reports } = this.#options;
    const pod = new Pod(
      desired,
      'sidecar',
      surroundings(key, { desired, injection: 'sidecar', external: true, capture }),
    );
    this.#runs.set(key, pod);
    reports.tell(pod).catch(() => {});
    void pod.start();
    return pod;
  }

  async removeRun(pod: Pod): Promise<void> {
    const key = podKey(pod.desired);
    if (this.#runs.get(key) === pod && !pod.terminating) await this.#remove(key, pod);
  }

  /** Ends a pod; what wants it makes another one. */
  async restart(key: string): Promise<boolean> {
    const pod = this.#pods.get(key);
    if (pod === undefined || pod.terminating) return false;
    await this.#remove(key, pod);
    return true;
  }

  /**
   * Has the pods of a workload made anew, with the next {@link reconcile}. Returns what tells how far that is; undefined
   * for a workload without pods.
   */
  rollOut(namespace: string, { kind, name }: PodOwner): (() => RolloutState) | undefined {
    const own = () =>
      this.all.filter(({ desired: d }) => d.namespace === namespace && d.owner?.kind === kind && d.owner.name === name);
    const before = new Set(own());
    if (before.size === 0) return undefined;
    this.#restarted.set(`${kind}/${namespace}/${name}`, new Date().toISOString());
    return () => {
      const now = own();
      const failed = now.find((pod) => !before.has(pod) && pod.settled && !pod.ready);
      if (failed) return { failed: failed.message ?? failed.word };
      return now.some((pod) => before.has(pod)) ? 'under way' : 'done';
    };
  }

  /** Takes a pod out of service and ends it: first nobody is sent to it any more, then it stops. */
  async #remove(key: string, pod: Pod): Promise<void> {
    await this.#drainAndStop(pod);
    this.#pods.delete(key);
    this.#runs.delete(key);
    await this.#options.reports.tell(pod, true).catch(() => {});
    this.#options.onGone(key);
  }

  async #drainAndStop(pod: Pod): Promise<void> {
    const { reports, control } = this.#options;
    pod.beginTermination();
    try {
      const snapshot = await reports.tell(pod);
      if (!this.#stopping && snapshot > 0) await control.wait(snapshot, DRAIN_WAIT_MS);
    } catch {
      // Without a control plane nobody can be told.
    }
    await pod.stop();
  }

  /** Ends all of them at once. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.all.map((pod) => pod.stop()));
  }
}

function isOfSameOwner(a: DesiredPod, b: DesiredPod): boolean {
  return (
    a.owner !== undefined &&
    a.namespace === b.namespace &&
    a.owner.kind === b.owner?.kind &&
    a.owner.name === b.owner.name
  );
}
