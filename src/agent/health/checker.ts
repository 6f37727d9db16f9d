import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { ReadinessProbe } from '../environment/proxy-config.ts';

export interface HealthCheckerOptions {
  readonly probe: ReadinessProbe;
  /** Tries once; rejects with what is wrong. */
  readonly attempt: () => Promise<void>;
  /** Told whenever it changes, and once at the start; undefined is well. */
  readonly onChange: (problem: string | undefined) => void;
  readonly clock: Clock;
}

/** Kubernetes' defaults. */
const PERIOD_S = 10;
const FAILURES = 3;
const SUCCESSES = 1;

/** Probes a program again and again. What it says changes only after as many attempts in a row as the probe wants. */
export class HealthChecker {
  readonly #options: HealthCheckerOptions;
  #cancel: Cancel;
  #closed = false;
  #successes = 0;
  #failures = 0;
  /** What was said last; null before anything was. */
  #said: 'healthy' | 'unhealthy' | null = null;

  /** Begins at once, or after the probe's initial delay. */
  constructor(options: HealthCheckerOptions) {
    this.#options = options;
    this.#cancel = options.clock.setTimer((options.probe.initialDelaySeconds ?? 0) * 1000, () => void this.#try());
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async #try(): Promise<void> {
    const { probe, attempt, clock } = this.#options;
    const problem = await attempt().then(
      () => undefined,
      (error) => messageOf(error) || 'it fails',
    );
    if (this.#closed) return;
    this.#note(problem);
    this.#cancel = clock.setTimer((probe.periodSeconds || PERIOD_S) * 1000, () => void this.#try());
  }

  #note(problem: string | undefined): void {
    const { probe, onChange } = this.#options;
    this.#successes = problem === undefined ? this.#successes + 1 : 0;
    this.#failures = problem === undefined ? 0 : this.#failures + 1;
    const next = problem === undefined ? 'healthy' : 'unhealthy';
    const enough =
      problem === undefined
        ? this.#successes >= (probe.successThreshold || SUCCESSES)
        : this.#failures >= (probe.failureThreshold || FAILURES);
    if (!enough || this.#said === next) return;
    this.#said = next;
    onChange(problem);
  }
}
