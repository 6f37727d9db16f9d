import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { Backoff } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { Guard } from './guard.ts';
import { openLog, previousLog } from './log-file.ts';

/** What is to be run. Nothing here goes through a shell. */
export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What it prints comes here; what the run before has printed lies beside it (see {@link previousLog}). */
  readonly logFile: string;
  readonly restart: 'always' | 'on-failure' | 'never';
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs: number;
}

export type ProcessState =
  /** Not started yet, or on its way. */
  | 'Pending'
  | 'Running'
  /** It ended, and is started again when the back-off is over. */
  | 'CrashLoopBackOff'
  /** It ended with code 0 and is not to be started again. */
  | 'Completed'
  /** It ended otherwise, or could not be started, and is not to be started again. */
  | 'Error'
  | 'Stopped';

/** How a process is and has been. */
export interface ProcessStatus {
  readonly state: ProcessState;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly startedAt: number | undefined;
  /** How it ended the last time: `exit code 1`, `signal SIGKILL`, or why it could not be started. */
  readonly lastEnd: string | undefined;
  readonly lastExitCode: number | undefined;
  /** What the present run, or the last one, has printed. */
  readonly logFile: string;
  /** What the run before that has printed. */
  readonly previousLogFile: string;
}

/** A program that ran this long had started well: its next crash is a first one, after which it starts again at once. */
const STEADY_MS = 10_000;

/** A program that is kept running: started, watched, started again with back-off, and stopped with its whole group. */
export class ManagedProcess {
  readonly spec: ProcessSpec;
  readonly #guard: Guard;
  readonly #onChange: () => void;
  readonly #backoff = new Backoff({ initialMs: 1000, maxMs: 30_000, minMs: 250 });
  #child: ChildProcess | undefined = undefined;
  #state: ProcessState = 'Pending';
  #restarts = 0;
  #startedAt: number | undefined = undefined;
  #lastEnd: string | undefined = undefined;
  #lastExitCode: number | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  #stopping = false;
  #waiters: (() => void)[] = [];

  constructor(spec: ProcessSpec, guard: Guard, onChange: () => void) {
    this.spec = spec;
    this.#guard = guard;
    this.#onChange = onChange;
  }

  get status(): ProcessStatus {
    return {
      state: this.#state,
      pid: this.#child?.pid,
      restarts: this.#restarts,
      startedAt: this.#startedAt,
      lastEnd: this.#lastEnd,
      lastExitCode: this.#lastExitCode,
      logFile: this.spec.logFile,
      previousLogFile: previousLog(this.spec.logFile),
    };
  }

  get running(): boolean {
    return this.#state === 'Running';
  }

  start(): void {
    if (this.#child !== undefined || this.#stopping) return;
    const { command, args, env, cwd, logFile } = this.spec;
    let log: number;
    try {
      log = openLog(logFile);
    } catch (error) {
      this.#ended(`cannot write ${logFile}: ${messageOf(error)}`, undefined);
      return;
    }
    // A group of its own: so that a stop reaches its children, and Ctrl-C on the terminal reaches only us.
    const child = spawn(command, [...args], { cwd, env, stdio: ['ignore', log, log], detached: true });
    fs.closeSync(log);
    this.#child = child;
    this.#startedAt = Date.now();
    child.once('spawn', () => {
      if (child.pid !== undefined) this.#guard.add(child.pid);
      this.#set('Running');
    });
    child.once('error', (error) => {
      if (child.pid !== undefined) return;
      this.#child = undefined;
      const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such program' : messageOf(error);
      this.#ended(`cannot start ${command}: ${reason}`, undefined);
    });
    child.once('exit', (code, signal) => {
      const { pid } = child;
      if (pid !== undefined) {
        killGroup(pid, 'SIGKILL');
        this.#guard.remove(pid);
      }
      this.#child = undefined;
      this.#ended(signal ? `signal ${signal}` : `exit code ${code}`, code ?? undefined);
    });
  }

  #ended(how: string, code: number | undefined): void {
    this.#lastEnd = how;
    this.#lastExitCode = code;
    if (this.#stopping) {
      this.#set('Stopped');
      return;
    }
    const { restart } = this.spec;
    if (restart === 'never' || (restart === 'on-failure' && code === 0)) {
      this.#set(code === 0 ? 'Completed' : 'Error');
      return;
    }
    const isFirst = this.#startedAt !== undefined && Date.now() - this.#startedAt > STEADY_MS;
    if (isFirst) this.#backoff.reset();
    this.#timer = setTimeout(
      () => {
        this.#restarts++;
        this.start();
      },
      isFirst ? 0 : this.#backoff.next(),
    );
    this.#set('CrashLoopBackOff');
  }

  #set(state: ProcessState): void {
    this.#state = state;
    this.#onChange();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  /** Resolves when the state has changed. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Sends SIGTERM to the group, SIGKILL when the grace is over, and resolves when it is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child?.pid === undefined) {
      if (this.#state !== 'Completed' && this.#state !== 'Error') this.#set('Stopped');
      return;
    }
    const { pid } = child;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    killGroup(pid, 'SIGTERM');
    const killer = setTimeout(() => killGroup(pid, 'SIGKILL'), this.spec.graceMs);
    await gone;
    clearTimeout(killer);
  }

  /** Ends the present run, to be started again at once with what the spec says. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined) killGroup(this.#child.pid, signal);
  }
}

function killGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group is gone already.
  }
}
