import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { ControlClient } from '../../src/config/control/client.ts';
import type { MeshStatus } from '../../src/config/control/mesh-api.ts';
import type { MeshRecord } from '../../src/local/mesh-folder.ts';
import { scratch, until } from './reference.ts';

export const ROOT = path.join(import.meta.dirname, '..', '..');

interface TestContext {
  after(fn: () => void | Promise<void>): void;
}

export interface Output {
  /** Exit code, or the name of the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** How `isthmus` is run: compiled if that is no older than the sources, because it starts faster; else as it is. */
export function isthmusProgram(): readonly [string, string] {
  const compiled = path.join(ROOT, 'dist/cli/main.js');
  // A build that goes on from an earlier one writes what has changed, and notes that it was there.
  const built = [compiled, path.join(ROOT, 'dist/.tsbuildinfo')].map(
    (file) => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  const isFresh = fs.existsSync(compiled) && Math.max(...built) >= newest(path.join(ROOT, 'src'));
  return [process.execPath, isFresh ? compiled : path.join(ROOT, 'src/cli/main.ts')];
}

let newestSource: number | undefined;

function newest(folder: string): number {
  newestSource ??= fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && !e.parentPath.includes(`${path.sep}gen${path.sep}`) && !e.name.endsWith('.test.ts'))
    .reduce((latest, e) => Math.max(latest, fs.statSync(path.join(e.parentPath, e.name)).mtimeMs), 0);
  return newestSource;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** After which it is killed; a minute unless told. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end. */
export function execute(command: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 'ended', stdout, stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

export interface MeshOptions {
  /** Further arguments of `isthmus up`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Returns before the mesh is ready. */
  readonly dontWait?: boolean;
  /** Address for the gateways; one of its own without it. */
  readonly address?: string;
  /** Folder for the state, to begin where another mesh has ended. */
  readonly home?: string;
}

/** Several tests may start meshes at once, on a machine with little to spare. */
const START_MS = 90_000;

/** A mesh that `isthmus up` runs, as a user would have it. It ends with the test, and leaves no process. */
export class TestedMesh {
  /** The folder of YAML: the mesh's own copy. */
  readonly dir: string;
  readonly home: string;
  /** Where its gateways are published. */
  readonly address: string;
  readonly process: ChildProcess;
  readonly ended: Promise<number | string>;
  #stdout = '';
  #stderr = '';

  private constructor(dir: string, home: string, address: string, options: MeshOptions) {
    this.dir = dir;
    this.home = home;
    this.address = address;
    const [node, main] = isthmusProgram();
    const child = spawn(node, [main, 'up', dir, '--address', address, ...(options.args ?? [])], {
      env: { ...process.env, NO_COLOR: '1', ISTHMUS_HOME: home, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? 'ended')));
  }

  /** Starts a mesh of the files, by their names, or of a copy of a folder. */
  static async start(
    t: TestContext,
    source: string | Readonly<Record<string, string>>,
    options: MeshOptions = {},
  ): Promise<TestedMesh> {
    let mesh: TestedMesh | undefined;
    // One thing after the other, in whatever order ends are called: a folder that is still written to cannot be removed.
    const ends: (() => void | Promise<void>)[] = [() => mesh?.kill()];
    const folder = scratch({ after: (end) => void ends.push(end) }, 'isthmus-mesh-');
    t.after(async () => {
      for (const end of ends) await end();
    });
    const dir = path.join(folder, typeof source === 'string' ? path.basename(source) : 'mesh');
    if (typeof source === 'string') fs.cpSync(source, dir, { recursive: true });
    else fs.mkdirSync(dir);
    for (const [name, text] of Object.entries(source)) fs.writeFileSync(path.join(dir, name), text);
    // Programs of an example find packages as they do in the repository.
    fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    mesh = new TestedMesh(dir, options.home ?? path.join(folder, 'home'), options.address ?? ownAddress(), options);
    if (!options.dontWait) await mesh.whenReady();
    return mesh;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves with the last line of the start. Fails with all that was printed if the mesh ends, or has problems. */
  async whenReady(): Promise<string> {
    let end: number | string | undefined;
    void this.ended.then((code) => (end = code));
    const look = () => {
      if (end !== undefined) return 'ended';
      return /^mesh ready in .*$/m.exec(this.#stdout)?.[0];
    };
    const line = await until('the mesh', look, START_MS).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.#stdout}${this.#stderr}`);
    });
    if (end !== undefined) throw new Error(`the mesh ended with ${end}:\n${this.#stdout}${this.#stderr}`);
    return line;
  }

  /** Environment of commands that are about this mesh. */
  get env(): Record<string, string> {
    return { ISTHMUS_HOME: this.home, NO_COLOR: '1' };
  }

  /** Runs a command of the command line about this mesh. */
  isthmus(args: readonly string[], input?: string): Promise<Output> {
    const [node, main] = isthmusProgram();
    return execute(node, [main, ...args], { env: this.env, cwd: this.dir, input });
  }

  /** Runs curl with what it should not need to be told: no progress, and never longer than ten seconds. */
  curl(args: readonly string[]): Promise<Output> {
    return execute('curl', ['-sS', '-m', '10', '--noproxy', '*', ...args]);
  }

  /** Where a port of a gateway is published: `IP:PORT`. */
  gateway(port: number): string {
    return `${this.address}:${port < 1024 ? port + 8000 : port}`;
  }

  /** Ends it as Ctrl-C does; resolves with the exit code. */
  stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | string> {
    this.process.kill(signal);
    return this.ended;
  }

  /** Process ids of everything that belongs to the mesh. */
  processes(): number[] {
    return fs
      .readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          const belongs =
            fs.readFileSync(`/proc/${pid}/environ`, 'latin1').includes(this.home) ||
            fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(this.home);
          return belongs && !isZombie(pid);
        } catch {
          return false;
        }
      })
      .map(Number);
  }

  async kill(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM');
      const timer = setTimeout(() => this.process.kill('SIGKILL'), 20_000);
      await this.ended;
      clearTimeout(timer);
    }
  }
}

function isZombie(pid: string): boolean {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

let addresses = 0;

/** A loopback address that no other test of the machine has: test files run in processes of their own. */
export function ownAddress(): string {
  addresses++;
  const { pid } = process;
  return `127.${16 + (addresses % 16)}.${(pid >> 7) & 0xff}.${((pid & 0x7f) << 1) | 1}`;
}

/** What a mesh says of itself in its `mesh.json`. */
export function meshRecord(mesh: TestedMesh): MeshRecord {
  const meshes = path.join(mesh.home, 'meshes');
  const [name] = fs.readdirSync(meshes);
  return JSON.parse(fs.readFileSync(path.join(meshes, name!, 'mesh.json'), 'utf8')) as MeshRecord;
}

/** What `isthmus status` shows, as the mesh tells it. */
export async function meshStatus(mesh: TestedMesh): Promise<MeshStatus> {
  return new ControlClient(meshRecord(mesh).controlSocket).status();
}

/** Whether something accepts connections. */
export function isListening(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
