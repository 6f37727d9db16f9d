import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** A folder for the run, removed at its end with every process that was started. */
export class Workplace {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-bench-'));
  readonly #children = new Set<ChildProcess>();

  constructor() {
    process.on('exit', () => this.clear());
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  }

  clear(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  write(name: string, text: string): string {
    const file = path.join(this.folder, name);
    fs.writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  /** Starts a program on one processor, if that can be had; what it prints goes to a file. */
  start(command: string, args: readonly string[], cpu: number): ChildProcess {
    const log = fs.openSync(path.join(this.folder, 'programs.log'), 'a');
    const [file, rest] = pinned(command, args, cpu);
    const child = spawn(file, rest, { stdio: ['ignore', log, log], cwd: this.folder });
    fs.closeSync(log);
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  /** Runs a program to its end and returns what it printed. */
  run(command: string, args: readonly string[], cpu: number): Promise<string> {
    const [file, rest] = pinned(command, args, cpu);
    return new Promise((resolve, reject) => {
      const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.folder });
      this.#children.add(child);
      let text = '';
      child.stdout.on('data', (data: Buffer) => (text += data.toString()));
      child.stderr.on('data', (data: Buffer) => (text += data.toString()));
      child.once('error', reject);
      child.once('close', (code) => {
        this.#children.delete(child);
        if (code === 0) resolve(text);
        else reject(new Error(`${command} ended with ${code}: ${text.trim()}`));
      });
    });
  }

  /** The end of what the programs have printed. */
  lastWords(): string {
    return fs.readFileSync(path.join(this.folder, 'programs.log'), 'utf8').split('\n').slice(-6).join('\n');
  }
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** The full path of a program, or undefined where it is not installed. */
export function which(name: string): string | undefined {
  for (const dir of (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/usr/local/sbin')) {
    const file = path.join(dir, name);
    if (dir !== '' && fs.existsSync(file)) return file;
  }
  return undefined;
}

const TASKSET = which('taskset');
const CPUS = os.availableParallelism();

function pinned(command: string, args: readonly string[], cpu: number): [string, string[]] {
  if (TASKSET === undefined || CPUS < 2) return [command, [...args]];
  return [TASKSET, ['-c', String(cpu), command, ...args]];
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when something listens; fails when the program has ended or time is up. */
export async function listening(port: number, child: ChildProcess, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs[0]} ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (Date.now() > deadline) throw new Error(`nothing listens on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const TICKS = Number(spawnSync('getconf', ['CLK_TCK']).stdout?.toString().trim()) || 100;

/** Processor time that a process has used, all of its threads, in seconds (`/proc/PID/stat`, utime and stime). */
export function cpuSeconds({ pid }: ChildProcess): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory in megabytes. */
export function residentMegabytes({ pid }: ChildProcess): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}
