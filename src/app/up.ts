import path from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { ObjectState } from '../config/control/api.ts';
import type { Capture, MeshStatus } from '../config/control/mesh-api.ts';
import { MeshControlServer } from '../local/control/server.ts';
import { hostAddresses } from '../local/dns/host-names.ts';
import { HostNameServer } from '../local/dns/server.ts';
import { LocalMesh } from '../local/mesh.ts';
import { isthmusHome, meshName } from '../local/mesh-folder.ts';
import type { MeshEvent } from '../local/mesh-options.ts';
import type { OwnProgram } from '../local/own-program.ts';

export { resolveOptions } from '../local/dns/host-names.ts';

export interface UpOptions {
  /** The folder of YAML. */
  readonly directory: string;
  /** Of the mesh; the folder's when undefined. */
  readonly name: string | undefined;
  /** Where gateways are reached from outside the mesh. */
  readonly address: string;
  readonly capture: Capture;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onEvent: (event: MeshEvent) => void;
}

/** A mesh that runs. */
export interface RunningMesh {
  readonly name: string;
  /** The folder with its state. */
  readonly folder: string;
  readonly startedAt: number;
  /** Resolves when it is ready: everything has come as far as it will. */
  readonly ready: Promise<{
    readonly ms: number;
    readonly urls: MeshStatus['urls'];
    /** Where the hosts of gateways are found by DNS, `IP:PORT`; undefined if they are not. */
    readonly dns: string | undefined;
    readonly notReady: string[];
  }>;
  /** Resolves when somebody asks it to stop by its control interface. */
  readonly asked: Promise<void>;
  stop(): Promise<void>;
}

/** DNS, 8000 higher, as ports of gateways are. */
const DNS_PORT = 8053;

/** Starts the mesh of a folder. Throws a UserError in one line if it cannot be. */
export async function startMesh(options: UpOptions): Promise<RunningMesh> {
  const { directory, env, address, capture, onEvent } = options;
  const mesh = await LocalMesh.start({
    directory,
    name: options.name ?? meshName(directory),
    home: isthmusHome(env),
    publishAddress: address,
    capture,
    isthmus: ownProgram(),
    env,
    examine,
    onEvent,
  });
  let ask = () => {};
  const asked = new Promise<void>((resolve) => (ask = resolve));
  const control = new MeshControlServer(mesh, () => ask());
  try {
    await control.listen();
  } catch (error) {
    await mesh.stop();
    throw error;
  }
  let names: HostNameServer | undefined;
  let stopped = false;
  const ready = mesh.whenSettled().then(async () => {
    const ms = Date.now() - mesh.startedAt;
    control.readyAfterMs = ms;
    names = await serveNames(mesh, options);
    if (stopped) names?.close();
    const notReady = mesh.pods.filter((pod) => !pod.ready && pod.phase !== 'Succeeded');
    return {
      ms,
      urls: mesh.publishedUrls,
      dns: names?.address,
      notReady: notReady.map(({ desired }) => `${desired.namespace}/${desired.name}`),
    };
  });
  return {
    name: mesh.folder.name,
    folder: mesh.folder.path,
    startedAt: mesh.startedAt,
    ready,
    asked,
    stop: async () => {
      stopped = true;
      control.close();
      names?.close();
      await mesh.stop();
    },
  };
}

/** Without it the mesh works all the same, so a port that is taken is told and no more. */
async function serveNames(mesh: LocalMesh, { address, onEvent }: UpOptions): Promise<HostNameServer | undefined> {
  if (mesh.publishedPorts.length === 0) return undefined;
  try {
    return await HostNameServer.listen(address, DNS_PORT, () => hostAddresses(mesh.publishedUrls));
  } catch (error) {
    onEvent({ kind: 'problem', text: `hosts of gateways are not served by DNS: ${messageOf(error)}` });
    return undefined;
  }
}

/** Analysis is loaded when it is first wanted: when the mesh is there. */
async function examine(objects: readonly ObjectState[]) {
  const [{ describeFinding, findingsIn, summarize }, { textOfFile }] = await Promise.all([
    import('../analysis/findings.ts'),
    import('../analysis/places.ts'),
  ]);
  return findingsIn(objects, textOfFile).map((finding) => {
    const { code, field = '', level, resource, text } = finding;
    const id = [code, resource.id, resource.namespace, resource.name, field, text].join(' ');
    return { id, summary: summarize(finding), text: describeFinding(finding), isError: level === 'Error' };
  });
}

/** This program, as it was started: built or from its sources. */
function ownProgram(): OwnProgram {
  const extension = path.extname(import.meta.filename);
  const main = path.join(import.meta.dirname, '..', 'cli', `main${extension}`);
  return { command: process.execPath, args: [main] };
}
