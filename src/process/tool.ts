import { spawn } from 'node:child_process';
import { codeOf, messageOf } from '../base/errors.ts';

const MAX_OUTPUT = 1024 * 1024;
const TIMEOUT_MS = 10_000;

/** A tool of the machine that is missing, or did not do what it was asked. */
export class ToolError extends Error {
  /** Whether there is no such program. */
  readonly missing: boolean;

  constructor(message: string, missing: boolean) {
    super(message);
    this.missing = missing;
  }
}

/**
 * Runs a tool of the machine to its end, without a shell, and resolves with what it printed. Throws a ToolError with its
 * first line of complaint.
 */
export function runTool(command: string, args: readonly string[], input = ''): Promise<string> {
  const what = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      // Administrators' tools are not on everybody's path.
      env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
    });
    let stdout = '';
    let stderr = '';
    const take = (text: string, so: string) => (so.length + text.length > MAX_OUTPUT ? so : so + text);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout = take(text, stdout)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = take(text, stderr)));
    child.once('error', (error) => {
      const missing = codeOf(error) === 'ENOENT';
      reject(new ToolError(missing ? `there is no program ${command}` : `${what}: ${messageOf(error)}`, missing));
    });
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new ToolError(`${what}: ${stderr.trim().split('\n')[0] || (signal ?? `exit code ${code}`)}`, false));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
