import net from 'node:net';
import { UserError } from '../base/errors.ts';
import { isAlive, isthmusHome, MeshFolder, type MeshRecord, runningMeshes } from '../local/mesh-folder.ts';

/** A local mesh that `isthmus up` keeps running, as another process of the same user sees it. */
export interface RunningMesh {
  readonly name: string;
  /** The folder of YAML that it runs. */
  readonly dir: string;
  /** The process of `isthmus up`. */
  readonly pid: number;
  /** The folder with its state: `${ISTHMUS_HOME:-~/.isthmus}/meshes/NAME`. */
  readonly folder: string;
  /** Unix socket of its control interface, for `ControlClient`. */
  readonly controlSocket: string;
  /** `host:port` of each of the control plane's servers. */
  readonly discovery: MeshRecord['discovery'];
}

/** How long a mesh gets to accept a connection on this machine before it counts as away. */
const CONNECT_MS = 2000;
const LOOK_MS = 25;

/**
 * The mesh that runs on this machine, or the one of this name. Throws a UserError if none runs, if several do and none
 * is named, or if the one that does is not there to answer.
 */
export async function findMesh(env: NodeJS.ProcessEnv, name?: string): Promise<RunningMesh> {
  const home = isthmusHome(env);
  const record = name === undefined ? theOnlyMesh(home) : meshNamed(home, name);
  if (!(await accepts(record.controlSocket))) {
    throw new UserError(
      `the mesh ${record.name} (process ${record.pid}) does not answer: it is starting or stopping; try again in a moment`,
    );
  }
  const { dir, pid, controlSocket, discovery } = record;
  return { name: record.name, dir, pid, folder: new MeshFolder(home, record.name).path, controlSocket, discovery };
}

/** Whether a mesh has ended, with its process, within so many milliseconds. */
export async function whenGone({ pid }: RunningMesh, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(pid)) {
    if (Date.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}

/** Names of the meshes that run on this machine, sorted. */
export function runningMeshNames(env: NodeJS.ProcessEnv): string[] {
  return runningMeshes(isthmusHome(env))
    .map(({ name }) => name)
    .sort();
}

function theOnlyMesh(home: string): MeshRecord {
  const meshes = runningMeshes(home);
  const [only] = meshes;
  if (only === undefined) throw new UserError('no mesh runs on this machine; start one with `isthmus up DIR`');
  if (meshes.length > 1) throw new UserError(`several meshes run: ${namesOf(meshes)}; say which with --mesh NAME`);
  return only;
}

function meshNamed(home: string, name: string): MeshRecord {
  const record = new MeshFolder(home, name).running();
  if (record !== undefined) return record;
  const others = runningMeshes(home);
  const instead = others.length === 0 ? 'none does; start one with `isthmus up DIR`' : `there is ${namesOf(others)}`;
  throw new UserError(`no mesh ${JSON.stringify(name)} runs on this machine: ${instead}`);
}

function namesOf(meshes: readonly MeshRecord[]): string {
  return meshes
    .map(({ name, dir }) => `${name} (of ${dir})`)
    .sort()
    .join(', ');
}

/** Whether somebody listens on a Unix socket. A process that has the number of a mesh that died does not. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    const end = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.setTimeout(CONNECT_MS, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
