import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import { messageOf, UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Guard } from '../../process/guard.ts';
import { AdminClient, parseStats } from './admin-client.ts';
import { configurationProblem, type DataPlane, type DataPlaneEnd, splitLogLevel } from './data-plane.ts';

export interface EnvoyOptions {
  /** The program. */
  readonly program: string;
  /** Path of the bootstrap, as seen from `cwd`. */
  readonly bootstrapFile: string;
  /** Text that Envoy merges over it. */
  readonly bootstrapOverride: string | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly admin: { readonly host: string; readonly port: number };
  /** `--proxyLogLevel` and `--proxyComponentLogLevel`. */
  readonly logLevel: string;
  readonly componentLogLevel: string | undefined;
  readonly concurrency: number;
  readonly drainMs: number;
  /** `fileFlushInterval` and `fileFlushMinSizeKb`. */
  readonly flushMs?: number | undefined;
  readonly flushMinKb?: number | undefined;
  readonly skipDeprecatedLogs: boolean;
  readonly ipVersion: 'v4' | 'v6';
  /** Ports of the listeners for metrics and readiness, whose connections are not traffic. */
  readonly ownPorts: readonly number[];
  readonly log: Logger;
}

/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 5000;
const CONFIG_STATS =
  '/stats?usedonly&filter=^(cluster_manager\\.cds|listener_manager\\.lds)\\.(update_success|update_rejected)$';
const SERVER_STATS = '/stats?usedonly&filter=^(server\\.state|listener_manager\\.workers_started)$';
const CONNECTION_STATS = '/stats?usedonly&filter=downstream_cx_active$';
/** Values of `server.state` (envoy.admin.v3.ServerInfo.State). */
const STATES = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

/** A real Envoy, as a child process that does not outlive this one. */
export class EnvoyProcess implements DataPlane {
  readonly #options: EnvoyOptions;
  readonly #admin: AdminClient;
  readonly #guard = new Guard();
  #child: ChildProcess | undefined;
  #configured = false;
  #stopping = false;
  #end: (end: DataPlaneEnd) => void = () => {};
  readonly ended = new Promise<DataPlaneEnd>((resolve) => (this.#end = resolve));

  constructor(options: EnvoyOptions) {
    this.#options = options;
    this.#admin = new AdminClient(() => options.admin);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): Promise<void> {
    const { program, cwd, env, log } = this.#options;
    const args = envoyArguments(this.#options);
    log.info(`Envoy command: ${program} ${args.join(' ')}`);
    // A group of its own, so that Ctrl-C on a terminal reaches the agent alone, which then drains.
    const child = spawn(program, args, {
      cwd,
      env: { ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    this.#child = child;
    child.once('exit', (code, signal) => this.#exited(code, signal));
    return new Promise((resolve, reject) => {
      child.once('spawn', () => {
        if (child.pid !== undefined) this.#guard.add(child.pid);
        resolve();
      });
      child.once('error', (error) => {
        this.#guard.close();
        reject(new UserError(`The proxy ${program} cannot be started: ${messageOf(error)}.`));
      });
    });
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    const pid = this.#child?.pid;
    if (pid !== undefined) this.#guard.remove(pid);
    this.#guard.close();
    if (signal === 'SIGKILL' && !this.#stopping)
      this.#options.log.warn('Envoy may have been out of memory killed. Check memory usage and limits.');
    const exitCode = this.#stopping ? 0 : signal ? 128 + os.constants.signals[signal] : (code ?? 1);
    this.#end({ exitCode, reason: signal ? `Envoy ended by ${signal}` : `Envoy ended with exit code ${code}` });
  }

  async readiness(): Promise<string | undefined> {
    try {
      if (!this.#configured) {
        const stats = parseStats((await this.#admin.get(CONFIG_STATS)).toString());
        const of = (name: string) => stats.get(name) ?? 0;
        const problem = configurationProblem({
          cdsSuccess: of('cluster_manager.cds.update_success'),
          cdsRejected: of('cluster_manager.cds.update_rejected'),
          ldsSuccess: of('listener_manager.lds.update_success'),
          ldsRejected: of('listener_manager.lds.update_rejected'),
        });
        if (problem) return problem;
        this.#configured = true;
      }
      const stats = parseStats((await this.#admin.get(SERVER_STATS)).toString());
      const state = stats.get('server.state') ?? 0;
      if (state !== 0) return `server is not live, current state is: ${STATES[state] ?? state}`;
      return stats.get('listener_manager.workers_started') === 1 ? undefined : 'workers have not yet started';
    } catch (error) {
      return `failed to get readiness of Envoy: ${messageOf(error)}`;
    }
  }

  async drain(inboundOnly: boolean): Promise<void> {
    const path = `/drain_listeners?graceful&skip_exit${inboundOnly ? '&inboundonly' : ''}`;
    const { status, body } = await this.#admin.request('POST', path);
    if (status !== 200) throw new Error(`${path} was answered with status ${status}: ${body.trim()}`);
  }

  async activeConnections(): Promise<number | undefined> {
    const stats = parseStats((await this.#admin.get(CONNECTION_STATS)).toString());
    const own = new RegExp(`^listener\\.(admin|.*_(${this.#options.ownPorts.join('|')}))\\.`);
    let count: number | undefined;
    for (const [name, value] of stats) {
      // Connections are counted by listener and again by connection manager and worker.
      if (!/^listener\..*downstream_cx_active$/.test(name) || /\.worker_\d+\./.test(name) || own.test(name)) continue;
      count = (count ?? 0) + value;
    }
    return count;
  }

  stats(query: string, headers: readonly (readonly [string, string])[], timeoutMs: number): Promise<Buffer> {
    return this.#admin.get(`/stats/prometheus${query === '' ? '' : `?${query}`}`, headers, timeoutMs);
  }

  admin(method: string, path: string): Promise<{ readonly status: number; readonly body: string }> {
    return this.#admin.request(method, path);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    await this.ended;
    clearTimeout(killer);
  }
}

/** The command line that pilot-agent gives Envoy. */
export function envoyArguments(options: EnvoyOptions): string[] {
  const { level, components } = splitLogLevel(options.logLevel);
  const componentLevels = components || options.componentLogLevel;
  return [
    '-c',
    options.bootstrapFile,
    ...(options.bootstrapOverride === undefined ? [] : ['--config-yaml', options.bootstrapOverride]),
    '--drain-time-s',
    String(Math.round(options.drainMs / 1000)),
    '--drain-strategy',
    'immediate',
    '--local-address-ip-version',
    options.ipVersion,
    '--file-flush-interval-msec',
    String(options.flushMs ?? 1000),
    '--disable-hot-restart',
    '--allow-unknown-static-fields',
    ...(options.flushMinKb ? ['--file-flush-min-size-kb', String(options.flushMinKb)] : []),
    ...(level ? ['-l', level] : []),
    ...(componentLevels ? ['--component-log-level', componentLevels] : []),
    ...(options.skipDeprecatedLogs ? ['--skip-deprecated-logs'] : []),
    ...(options.concurrency > 0 ? ['--concurrency', String(options.concurrency)] : []),
  ];
}
