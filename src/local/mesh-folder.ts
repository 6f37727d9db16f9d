import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { codeOf, UserError } from '../base/errors.ts';

/** What is known of a mesh from outside: `mesh.json` in its folder. */
export interface MeshRecord {
  readonly name: string;
  /** The folder of YAML that it runs. */
  readonly dir: string;
  /** The process of `isthmus up`. */
  readonly pid: number;
  /** Unix socket of its control interface. */
  readonly controlSocket: string;
  readonly discovery: {
    readonly grpc: string;
    readonly secureGrpc: string;
    readonly http: string;
    readonly monitoring: string;
  };
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** Where the state of meshes is kept: `$ISTHMUS_HOME`, or `.isthmus` in the home directory. */
export function isthmusHome(env: Readonly<Record<string, string | undefined>>): string {
  return env.ISTHMUS_HOME || path.join(env.HOME || os.homedir(), '.isthmus');
}

/** A name for the mesh of a folder: the folder's, as far as it can be one. */
export function meshName(directory: string): string {
  const name = path
    .basename(path.resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32)
    .replace(/-+$/, '');
  return name || 'mesh';
}

/** The folder in which a mesh keeps what it must remember, and what it is made of while it runs. */
export class MeshFolder {
  readonly path: string;
  readonly name: string;

  constructor(home: string, name: string) {
    if (!NAME.test(name))
      throw new UserError(`${JSON.stringify(name)} cannot name a mesh: use a-z, 0-9 and -, at most 32`);
    this.name = name;
    this.path = path.join(home, 'meshes', name);
  }

  /** Kept from one run to the next: root certificate, key of tokens, last good configuration. */
  get state(): string {
    return path.join(this.path, 'state');
  }
  /** Volumes that claims ask for; kept. */
  get claims(): string {
    return path.join(this.path, 'claims');
  }
  get applied(): string {
    return path.join(this.path, 'applied');
  }
  get runtime(): string {
    return path.join(this.path, 'runtime');
  }
  get pods(): string {
    return path.join(this.path, 'pods');
  }
  get logs(): string {
    return path.join(this.path, 'logs');
  }
  get cacerts(): string {
    return path.join(this.path, 'cacerts');
  }
  /** The control plane's own certificate, where it is not of the mesh's authority. */
  get serverCertificate(): string {
    return path.join(this.path, 'istiod-tls');
  }
  get meshConfig(): string {
    return path.join(this.path, 'mesh.yaml');
  }
  get controlSocket(): string {
    return path.join(this.path, 'control.sock');
  }
  get discoverySocket(): string {
    return path.join(this.path, 'discovery.sock');
  }
  /** Sockets that lead into the networks of pods; their paths must be short. */
  get sockets(): string {
    return path.join(this.path, 'net');
  }
  get #record(): string {
    return path.join(this.path, 'mesh.json');
  }

  /** Makes the folder ready for a run; what the last one has left is removed. */
  prepare(): void {
    // A Unix socket's path has 107 bytes, and the tools must reach it from anywhere.
    if (Buffer.byteLength(this.discoverySocket) > 107) {
      throw new UserError(`${this.path} is too long a path for sockets; set ISTHMUS_HOME to a shorter one`);
    }
    fs.mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const { applied, runtime, pods, logs, cacerts, serverCertificate, sockets } = this;
    for (const dir of [applied, runtime, pods, logs, cacerts, serverCertificate, sockets]) {
      fs.rmSync(dir, { recursive: true, force: true });
      fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    }
    for (const dir of [this.state, this.claims]) fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** The mesh of this name that runs now, if one does. */
  running(): MeshRecord | undefined {
    const record = readRecord(this.#record);
    return record && isAlive(record.pid) ? record : undefined;
  }

  write(record: MeshRecord): void {
    const draft = `${this.#record}.new`;
    fs.writeFileSync(draft, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    fs.renameSync(draft, this.#record);
  }

  /** The run is over. Its logs stay for who wants to know why. */
  finish(): void {
    fs.rmSync(this.#record, { force: true });
    for (const file of [this.controlSocket, this.discoverySocket]) fs.rmSync(file, { force: true });
    fs.rmSync(this.pods, { recursive: true, force: true });
    fs.rmSync(this.runtime, { recursive: true, force: true });
  }
}

/** Every mesh that runs now. */
export function runningMeshes(home: string): MeshRecord[] {
  let names: string[];
  try {
    names = fs.readdirSync(path.join(home, 'meshes'));
  } catch {
    return [];
  }
  return names.flatMap((name) => (NAME.test(name) ? (new MeshFolder(home, name).running() ?? []) : []));
}

function readRecord(file: string): MeshRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as MeshRecord;
  } catch {
    return undefined;
  }
}

/** Whether there is a process with this number. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
