import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** Why tests with reference programs are skipped, or false. */
export const withoutReference: string | false = process.env.REFERENCE_BIN
  ? false
  : 'REFERENCE_BIN is not set: reference programs are looked for there';

/** Path of a reference program. A set REFERENCE_BIN without it is an error. */
export function referenceProgram(name: string): string {
  const file = path.join(process.env.REFERENCE_BIN ?? '', name);
  if (!fs.existsSync(file)) throw new Error(`REFERENCE_BIN has no ${name}: ${file}`);
  return file;
}

/** A folder that goes with the test. */
export function scratch(t: { after(fn: () => void): void }, prefix = 'isthmus-test-'): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  return folder;
}

/** Where the system takes no ports from for connections that go out: Linux begins at 32768, others at 49152. */
const [FIRST_PORT, LAST_PORT] = [10_240, 32_767];

/**
 * Ports that were free a moment ago, all different. Those that the system gives for port 0 would be taken by any
 * connection that goes out before they are listened at.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: net.Server[] = [];
  for (let tries = 0; servers.length < count; tries++) {
    if (tries > 100 + 10 * count) throw new Error(`no ${count} ports are free`);
    const server = await listenAt(FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1)));
    if (server !== undefined) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listenAt(port: number): Promise<net.Server | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '0.0.0.0', () => resolve(server));
  });
}

/** Looks until `look` gives something, or fails with `what` and the last thing that `look` threw. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let failure: unknown;
  while (Date.now() < deadline) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not happen within ${timeoutMs / 1000} s`, { cause: failure });
}

/** Whether something listens on a port of this machine. */
export function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(undefined));
  });
}

/** A reference program that runs until the test is over. Its output is in `log`. */
export interface RunningProgram {
  readonly process: ChildProcess;
  readonly log: () => string;
  /** Throws with the end of the log if the program has ended. */
  check(): void;
  stop(): Promise<void>;
}

export function run(
  t: { after(fn: () => Promise<void>): void },
  name: string,
  args: readonly string[],
  options: {
    readonly folder: string;
    readonly env?: Readonly<Record<string, string>>;
    /** What is run in its place, before the arguments. */
    readonly command?: readonly string[];
  },
): RunningProgram {
  const file = path.join(options.folder, `${name}-${process.hrtime.bigint()}.log`);
  const fd = fs.openSync(file, 'w');
  const [program = referenceProgram(name), ...first] = options.command ?? [];
  const child = spawn(program, [...first, ...args], {
    stdio: ['ignore', fd, fd],
    cwd: options.folder,
    env: { ...process.env, ...options.env },
  });
  fs.closeSync(fd);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const log = () => fs.readFileSync(file, 'utf8');
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  t.after(stop);
  return {
    process: child,
    log,
    check() {
      if (child.exitCode === null && child.signalCode === null) return;
      throw new Error(`${name} ended:\n${log().trimEnd().split('\n').slice(-6).join('\n')}`);
    },
    stop,
  };
}
