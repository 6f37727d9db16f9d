import type { Probe } from '../../config/kinds/shared/pod-spec.ts';
import type { Guard } from '../../process/guard.ts';
import { ManagedProcess, type ProcessSpec, type ProcessStatus } from '../../process/managed-process.ts';
import { PROBE_DEFAULTS, type ProbeTarget, tryPort, tryProbe } from './probe.ts';

/** How often a program that has just been started is looked at. */
const START_MS = 40;
const TCP_TIMEOUT_MS = 1000;

export interface ContainerOptions {
  readonly process: ProcessSpec;
  readonly target: ProbeTarget;
  readonly guard: Guard;
  /** Something that `status` shows has changed. */
  readonly onChange: () => void;
  /** Judges a program that has become ready; what it says is wrong ends it. */
  readonly inspect: (pid: number) => string | undefined;
  /** What made a program end that ended by itself and badly, if that can be told. */
  readonly explainEnd: () => string | undefined;
}

/** A program of a pod: kept running, and asked whether it is started, ready and alive. */
export class RunningContainer {
  readonly name: string;
  readonly #options: ContainerOptions;
  readonly #process: ManagedProcess;
  #ready = false;
  #started = false;
  #fault: string | undefined = undefined;
  #notReadyBecause: string | undefined = undefined;
  /** Counts runs: what was begun for an earlier one has nothing to say any more. */
  #run = 0;
  #pid: number | undefined = undefined;
  #stopped = false;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: ContainerOptions) {
    this.name = options.target.container.name;
    this.#options = options;
    this.#process = new ManagedProcess(options.process, options.guard, () => this.#changed());
  }

  get status(): ProcessStatus {
    return this.#process.status;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** What the program does that cannot be allowed, in a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** What the last probe said. */
  get notReadyBecause(): string | undefined {
    return this.#notReadyBecause;
  }

  get target(): ProbeTarget {
    return this.#options.target;
  }

  start(): void {
    this.#process.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endRun();
    const { preStop } = this.#options.target.container.lifecycle ?? {};
    if (preStop && this.#process.running) await this.#preStop(preStop);
    await this.#process.stop();
  }

  async #preStop(handler: {
    readonly exec?: Probe['exec'];
    readonly httpGet?: Probe['httpGet'];
    readonly sleep?: { readonly seconds?: number | bigint };
  }): Promise<void> {
    const { graceMs } = this.#options.process;
    if (handler.sleep) {
      await new Promise((resolve) =>
        setTimeout(resolve, Math.min(Number(handler.sleep!.seconds ?? 0) * 1000, graceMs)),
      );
      return;
    }
    const { exec, httpGet } = handler;
    await tryProbe({ exec, httpGet, timeoutSeconds: Math.ceil(graceMs / 1000) }, this.#options.target);
  }

  #changed(): void {
    const { state, pid } = this.#process.status;
    if (state === 'Running' && pid !== this.#pid) {
      this.#pid = pid;
      this.#beginRun();
    } else if (state !== 'Running') {
      const ended = this.#pid !== undefined && !this.#stopped && state !== 'Completed';
      this.#pid = undefined;
      this.#endRun();
      if (ended) this.#fault ??= this.#options.explainEnd();
    }
    this.#options.onChange();
  }

  #endRun(): void {
    this.#run++;
    this.#ready = false;
    this.#started = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #beginRun(): void {
    this.#endRun();
    this.#fault = undefined;
    const { container } = this.#options.target;
    const { startupProbe, readinessProbe, livenessProbe } = container;
    const begin = () => {
      this.#started = true;
      if (readinessProbe) this.#repeat(readinessProbe, (ok, why) => this.#setReady(ok, why));
      else this.#awaitPorts();
      if (livenessProbe) this.#repeat(livenessProbe, (ok, why) => ok || this.restart(`liveness probe: ${why}`));
    };
    if (startupProbe) {
      this.#repeat(startupProbe, (ok, why) => {
        if (!ok) this.restart(`startup probe: ${why}`);
        else if (!this.#started) begin();
        return ok ? 'enough' : undefined;
      });
    } else begin();
  }

  /** A program without a probe is ready when it listens on the ports that it declares. */
  #awaitPorts(): void {
    const { container } = this.#options.target;
    const ports = (container.ports ?? []).filter(({ protocol = 'TCP' }) => protocol === 'TCP');
    const run = this.#run;
    const look = async () => {
      const outcomes = await Promise.all(
        ports.map(({ containerPort }) => tryPort(containerPort, this.#options.target, TCP_TIMEOUT_MS)),
      );
      if (run !== this.#run) return;
      const problem = outcomes.find((outcome) => outcome !== undefined);
      if (problem === undefined) this.#setReady(true, undefined);
      else {
        this.#notReadyBecause = problem;
        this.#after(START_MS, look);
      }
    };
    void look();
  }

  /** Probes on and on. Until the first success it looks often, because nobody gains by waiting for the period's end. */
  #repeat(probe: Probe, tell: (ok: boolean, why: string | undefined) => unknown): void {
    const { periodSeconds, failureThreshold, successThreshold } = PROBE_DEFAULTS;
    const periodMs = (probe.periodSeconds || periodSeconds) * 1000;
    const run = this.#run;
    const startedAt = Date.now();
    let failures = 0;
    let successes = 0;
    let everGood = false;
    const round = async () => {
      const problem = await tryProbe(probe, this.#options.target);
      if (run !== this.#run) return;
      if (problem === undefined) {
        failures = 0;
        successes++;
        everGood = true;
        if (successes >= (probe.successThreshold || successThreshold) && tell(true, undefined) === 'enough') return;
      } else {
        successes = 0;
        this.#notReadyBecause = problem;
        // Looks between the periods are ours, and do not count against the program.
        const counted = everGood || Date.now() - startedAt >= periodMs * (failures + 1);
        if (counted && ++failures >= (probe.failureThreshold || failureThreshold)) tell(false, problem);
      }
      if (run === this.#run) this.#after(everGood ? periodMs : Math.min(periodMs, START_MS), round);
    };
    this.#after((probe.initialDelaySeconds ?? 0) * 1000, round);
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  #setReady(ready: boolean, why: string | undefined): void {
    this.#notReadyBecause = why;
    if (ready && !this.#ready) {
      const { pid } = this.#process.status;
      this.#fault = pid === undefined ? undefined : this.#options.inspect(pid);
      if (this.#fault !== undefined) {
        this.#process.kill('SIGTERM');
        return;
      }
    }
    if (ready === this.#ready || this.#stopped) return;
    this.#ready = ready;
    this.#options.onChange();
  }

  /** Ends the present run, after which another one begins. */
  restart(why: string): void {
    this.#notReadyBecause = why;
    this.#process.kill('SIGTERM');
  }
}
