import fs from 'node:fs';
import path from 'node:path';
import { messageOf, UserError } from '../base/errors.ts';
import type { ControlClient } from '../config/control/client.ts';
import type { Guard } from '../process/guard.ts';
import { ManagedProcess, type ProcessSpec, type ProcessStatus } from '../process/managed-process.ts';
import type { Installation } from './install.ts';
import type { MeshFolder, MeshRecord } from './mesh-folder.ts';
import type { OwnProgram } from './own-program.ts';

const START_MS = 30_000;
const LOOK_MS = 15;
const GRACE_MS = 5000;

export interface ControlPlaneOptions {
  readonly isthmus: OwnProgram;
  /** The folder of YAML. */
  readonly directory: string;
  readonly folder: MeshFolder;
  readonly addresses: MeshRecord['discovery'];
  readonly domain: string;
  readonly installation: Installation;
  /** Whether the folder `cacerts` has an authority that was plugged in. */
  readonly plugged: boolean;
  /** Whether the control plane has a certificate of its own, from the Secret `istiod-tls`. */
  readonly ownCertificate: boolean;
  /** Environment of whoever started the mesh. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The control plane of a local mesh: a process of its own, restarted when it ends. */
export class ControlPlaneProcess {
  readonly #process: ManagedProcess;
  readonly #logFile: string;

  constructor(options: ControlPlaneOptions, guard: Guard, onChange: () => void) {
    this.#logFile = path.join(options.folder.logs, 'discovery.log');
    this.#process = new ManagedProcess(specOf(options, this.#logFile), guard, onChange);
  }

  get status(): ProcessStatus {
    return this.#process.status;
  }

  /** Starts it, and returns once it answers. Throws a UserError with its last words if it does not. */
  async start(control: ControlClient): Promise<void> {
    this.#process.start();
    const deadline = Date.now() + START_MS;
    for (;;) {
      const { state, lastEnd } = this.#process.status;
      if (lastEnd !== undefined || state === 'Error')
        throw new UserError(`discovery did not start (${lastEnd}):\n${this.#lastLines()}`);
      try {
        await control.state();
        return;
      } catch (error) {
        if (Date.now() > deadline)
          throw new UserError(`discovery does not answer: ${messageOf(error)}\n${this.#lastLines()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }

  #lastLines(): string {
    try {
      const lines = fs.readFileSync(this.#logFile, 'utf8').trimEnd().split('\n');
      return lines.slice(-5).join('\n');
    } catch {
      return '';
    }
  }
}

function specOf(options: ControlPlaneOptions, logFile: string): ProcessSpec {
  const { isthmus, directory, folder, addresses, domain, installation, plugged, ownCertificate, env } = options;
  const args = [...isthmus.args, 'discovery', '--configDir', path.resolve(directory)];
  args.push('--meshConfig', folder.meshConfig, '--stateDir', folder.state);
  args.push('--controlSocket', folder.discoverySocket);
  args.push('--appliedDir', folder.applied, '--runtimeDir', folder.runtime);
  args.push('--grpcAddr', addresses.grpc, '--secureGRPCAddr', addresses.secureGrpc);
  args.push('--httpAddr', addresses.http, '--monitoringAddr', addresses.monitoring, '--domain', domain);
  if (plugged) args.push('--cacertsDir', folder.cacerts);
  if (ownCertificate) {
    const file = (name: string) => path.join(folder.serverCertificate, name);
    args.push('--tlsCertFile', file('tls.crt'), '--tlsKeyFile', file('tls.key'), '--caCertFile', file('ca.crt'));
  }
  const own: Record<string, string> = { POD_NAME: 'istiod', POD_NAMESPACE: installation.namespace };
  for (const name of ['PATH', 'HOME', 'TZ', 'LANG']) if (env[name] !== undefined) own[name] = env[name];
  return {
    command: isthmus.command,
    args,
    env: { ...own, ...installation.pilotEnv },
    cwd: folder.path,
    logFile,
    restart: 'always',
    graceMs: GRACE_MS,
  };
}
