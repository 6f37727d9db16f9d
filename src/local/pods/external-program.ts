import type { Container } from '../../config/kinds/shared/pod-spec.ts';
import { type ProbeTarget, tryPort } from './probe.ts';

const LOOK_MS = 40;
const TCP_TIMEOUT_MS = 1000;

/** A program of a pod that somebody else starts and ends, such as one at a terminal. It is ready when it listens. */
export class ExternalProgram {
  #ready = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined = undefined;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** It was started, and is to listen on these ports. */
  started(ports: Container['ports'], target: ProbeTarget): void {
    const look = async () => {
      const problems = await Promise.all(
        (ports ?? []).map(({ containerPort }) => tryPort(containerPort, target, TCP_TIMEOUT_MS)),
      );
      if (this.#stopped) return;
      if (problems.every((problem) => problem === undefined)) {
        this.#ready = true;
        this.#onChange();
      } else this.#timer = setTimeout(look, LOOK_MS);
    };
    void look();
  }

  stop(): void {
    this.#stopped = true;
    this.#ready = false;
    clearTimeout(this.#timer);
  }
}
