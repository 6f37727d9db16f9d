import { spawn } from 'node:child_process';
import os from 'node:os';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { Guard } from '../process/guard.ts';
import { within } from '../process/within.ts';

export interface ForegroundProgram {
  /** Words before the command that lead to where it runs. */
  readonly enter?: readonly string[];
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether it reads our standard input; otherwise it has none. */
  readonly stdin: boolean;
  /** It was started. */
  readonly onStart?: () => void;
  /** Ends it with SIGTERM. */
  readonly abort?: AbortSignal;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Runs a program at our terminal, with our output, and resolves with its exit code, or 128 and the number of the signal
 * that ended it, as a shell has it. Signals go on to it, and it does not outlive us, however we end. Throws a UserError if it cannot be started.
 */
export function runForeground(program: ForegroundProgram): Promise<number> {
  const { enter = [], command, args, env, cwd, stdin, onStart, abort } = program;
  return new Promise((resolve, reject) => {
    const entered = within(enter, command, args);
    const child = spawn(entered.command, [...entered.args], {
      env,
      cwd,
      stdio: [stdin ? 'inherit' : 'ignore', 'inherit', 'inherit'],
    });
    const guard = new Guard();
    const forward = (signal: NodeJS.Signals) => {
      // At a terminal the program has had SIGINT already, with everything else of its group.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, forward);
    const end = () => child.kill('SIGTERM');
    abort?.addEventListener('abort', end);
    const done = () => {
      if (child.pid !== undefined) guard.removeProcess(child.pid);
      guard.close();
      abort?.removeEventListener('abort', end);
      for (const signal of SIGNALS) process.off(signal, forward);
    };
    child.once('spawn', () => {
      if (child.pid !== undefined) guard.addProcess(child.pid);
      onStart?.();
    });
    child.once('error', (error) => {
      done();
      const reason = codeOf(error) === 'ENOENT' ? 'there is no such program' : messageOf(error);
      reject(new UserError(`cannot start ${command}: ${reason}`, { exitCode: 127, cause: error }));
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (signal === null ? 0 : os.constants.signals[signal]));
    });
  });
}
