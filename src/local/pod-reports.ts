import type { ControlClient } from '../config/control/client.ts';
import type { ConfigMessage } from '../config/message.ts';
import { podKey } from './pods/desired-pod.ts';
import type { Pod } from './pods/pod.ts';
import { podObject } from './runtime-objects.ts';

/** Keeps the control plane informed of the pods at work, one report after the other. */
export class PodReports {
  readonly #control: ControlClient;
  readonly #onProblem: (problem: ConfigMessage) => void;
  /** What the control plane was told last of each pod. */
  readonly #told = new Map<string, string>();
  #telling: Promise<unknown> = Promise.resolve();

  constructor(control: ControlClient, onProblem: (problem: ConfigMessage) => void) {
    this.#control = control;
    this.#onProblem = onProblem;
  }

  /** Tells of a pod, if what the control plane should know has changed; resolves with the snapshot that has it, or 0. */
  tell(pod: Pod, gone = false): Promise<number> {
    const key = podKey(pod.desired);
    const object = gone ? undefined : podObject(pod);
    const text = JSON.stringify(object);
    if (this.#told.get(key) === text) return this.#telling.then(() => 0);
    if (gone) this.#told.delete(key);
    else this.#told.set(key, text);
    const request = gone ? { apply: [], remove: [`Pod/${key}`] } : { apply: [object], remove: [] };
    const outcome = this.#telling.then(async () => {
      const { problems, snapshot } = await this.#control.runtime(request);
      for (const problem of problems) this.#onProblem(problem);
      return snapshot;
    });
    this.#telling = outcome.catch(() => {
      // The control plane is away; it is told when it is back.
      this.#told.delete(key);
    });
    return outcome;
  }

  /** Resolves when everything that was to be told has been. */
  async done(): Promise<void> {
    await this.#telling;
  }
}
