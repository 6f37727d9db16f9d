import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePorts } from '../../support/reference.ts';

/** Path of a reference program, or undefined when REFERENCE_BIN is not set. A set variable without the program is an error. */
export function referenceBinary(name: string): string | undefined {
  const folder = process.env.REFERENCE_BIN;
  if (folder === undefined || folder === '') return undefined;
  const file = path.join(folder, name);
  if (!fs.existsSync(file)) throw new Error(`REFERENCE_BIN is ${folder}, which has no ${name}`);
  return file;
}

export interface IstiodOptions {
  /** File name -> content of the configuration folder. */
  readonly config: Readonly<Record<string, string>>;
  /** MeshConfig as JSON. */
  readonly mesh: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens; 127.0.0.1 unless told. */
  readonly host?: string;
}

/** istiod came to an end by a fault of its own: there is nothing to compare with. */
export class IstiodPanic extends Error {}

/** A running pilot-discovery in file mode. */
export class Istiod {
  readonly address: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(address: string, child: ChildProcess, folder: string) {
    this.address = address;
    this.#process = child;
    this.#folder = folder;
  }

  static async start(options: IstiodOptions): Promise<Istiod> {
    const binary = referenceBinary('pilot-discovery');
    if (binary === undefined) throw new Error('REFERENCE_BIN is not set');
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-istiod-'));
    const config = path.join(folder, 'config');
    fs.mkdirSync(config);
    for (const [name, text] of Object.entries(options.config)) fs.writeFileSync(path.join(config, name), text);
    const mesh = path.join(folder, 'mesh.yaml');
    fs.writeFileSync(mesh, JSON.stringify(options.mesh));
    const [grpc, http, monitoring, ctrlz] = await freePorts(4);
    const { host = '127.0.0.1' } = options;
    const log = path.join(folder, 'istiod.log');
    const fd = fs.openSync(log, 'w');
    const args = ['discovery', '--configDir', config, '--registries=', '--meshConfig', mesh, '--httpsAddr', ''];
    args.push('--secureGRPCAddr', '', '--grpcAddr', `${host}:${grpc}`, '--httpAddr', `127.0.0.1:${http}`);
    args.push('--monitoringAddr', `127.0.0.1:${monitoring}`, '--ctrlz_port', String(ctrlz));
    const child = spawn(binary, args, {
      stdio: ['ignore', fd, fd],
      cwd: folder,
      env: { ...process.env, POD_NAMESPACE: 'istio-system', PILOT_DEBOUNCE_AFTER: '20ms', ...options.env },
    });
    fs.closeSync(fd);
    const istiod = new Istiod(`${host}:${grpc}`, child, folder);
    let ended: string | undefined;
    child.on('exit', (code, signal) => (ended = signal ?? `exit code ${code}`));
    while (!(await accepts(grpc, host))) {
      if (ended !== undefined) {
        const lines = fs.readFileSync(log, 'utf8').trimEnd().split('\n').slice(-4).join('\n');
        await istiod.stop();
        throw new Error(`pilot-discovery ended (${ended}):\n${lines}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    return istiod;
  }

  /** Replaces a file of the configuration folder as a whole. */
  write(name: string, text: string): void {
    const draft = path.join(this.#folder, 'new.yaml');
    fs.writeFileSync(draft, text);
    fs.renameSync(draft, path.join(this.#folder, 'config', name));
  }

  /** What it says that it ended of, if it did. */
  panic(): IstiodPanic | undefined {
    const log = fs.readFileSync(path.join(this.#folder, 'istiod.log'), 'utf8');
    const [, reason] = /^panic: (.*)$/m.exec(log) ?? [];
    return reason === undefined ? undefined : new IstiodPanic(`istiod ended: ${reason}`);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await gone;
    }
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
