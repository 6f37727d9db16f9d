import fs from 'node:fs/promises';
import path from 'node:path';
import { Agent } from '../agent/agent.ts';
import { readDownwardApi } from '../agent/environment/downward-api.ts';
import { readEnvironment } from '../agent/environment/environment.ts';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { Logging } from '../base/log.ts';
import { ISTIO_VERSION } from '../base/version.ts';
import { effectiveProxyConfig } from './agent-proxy-config.ts';

/** The flags of `isthmus agent`, most of them pilot-agent's. */
export interface AgentFlags {
  readonly role: 'sidecar' | 'router';
  readonly proxy?: string;
  readonly dir: string;
  readonly domain?: string;
  readonly meshConfig: string;
  readonly serviceCluster: string;
  readonly concurrency: number;
  readonly proxyLogLevel: string;
  readonly proxyComponentLogLevel?: string;
  readonly outlierLogPath?: string | undefined;
  readonly logOutputLevel?: string;
  readonly logAsJson: boolean;
  readonly exitWithParent: boolean;
  /** What was asked for and has no effect, each with its reason. */
  readonly warnings: readonly string[];
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Runs an agent until it ends. Resolves with the exit code. The signals of this process end it, or, where there is one,
 * `stop` alone, which says why.
 */
export async function runAgent(flags: AgentFlags, processEnv: NodeJS.ProcessEnv, stop?: AbortSignal): Promise<number> {
  const logging = new Logging({ format: flags.logAsJson ? 'json' : 'istio', stream: process.stdout });
  const problem = flags.logOutputLevel && logging.configure(flags.logOutputLevel);
  if (problem) throw new UserError(`--log_output_level: ${problem}`);
  const log = logging.scope('default');
  for (const warning of flags.warnings) log.warn(warning);
  const dir = path.resolve(flags.dir);
  const podAnnotations = await readDownwardApi(path.join(dir, 'etc/istio/pod/annotations'));
  const { proxyConfig, json, warnings } = await effectiveProxyConfig({
    meshConfig: await readText(path.resolve(dir, flags.meshConfig)),
    meshConfigFile: flags.meshConfig,
    annotation: podAnnotations['proxy.istio.io/config'],
    environment: processEnv.PROXY_CONFIG,
    serviceCluster: flags.serviceCluster,
    concurrency: flags.concurrency,
  });
  for (const warning of warnings) log.warn(warning);
  // An injector makes variables of them; where there is none they are meant all the same.
  const env = { ...proxyConfig.proxyMetadata, ...processEnv };
  const agent = await Agent.start({
    role: flags.role,
    dir,
    environment: readEnvironment(env, flags.role),
    proxyConfig,
    proxyConfigJson: json,
    domain: flags.domain,
    podLabels: await readDownwardApi(path.join(dir, 'etc/istio/pod/labels')),
    podAnnotations,
    envoy: flags.proxy === undefined ? undefined : await findProgram(flags.proxy, processEnv.PATH),
    proxyLogLevel: flags.proxyLogLevel,
    proxyComponentLogLevel: flags.proxyComponentLogLevel,
    version: ISTIO_VERSION,
    outlierLogPath: flags.outlierLogPath,
    logging,
    proxyLogging: new Logging({ format: 'envoy', stream: process.stderr }),
    env,
  });
  if (stop !== undefined) {
    const end = () => agent.shutdown(String(stop.reason));
    if (stop.aborted) end();
    else stop.addEventListener('abort', end);
  } else endOnSignals(agent);
  if (flags.exitWithParent) whenParentEnds(() => agent.abort('the parent process has ended'));
  return agent.ended;
}

function endOnSignals(agent: Agent): void {
  for (const signal of SIGNALS) {
    let count = 0;
    process.on(signal, () => (count++ === 0 ? agent.shutdown(signal) : agent.abort(`${signal} again`)));
  }
}

/** Calls back when the other end of standard input, or of the IPC channel, is gone. */
function whenParentEnds(callback: () => void): void {
  if (process.channel) {
    process.on('disconnect', callback);
    return;
  }
  process.stdin.on('error', callback).on('end', callback).on('close', callback).resume();
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw new UserError(`${file} cannot be read: ${messageOf(error)}.`);
  }
}

/** A program by its path, or by its name in one of the folders of PATH. */
async function findProgram(name: string, searchPath = ''): Promise<string> {
  const candidates = name.includes('/')
    ? [path.resolve(name)]
    : searchPath.split(path.delimiter).map((folder) => path.join(folder, name));
  for (const file of candidates) {
    if (
      await fs.access(file, fs.constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  throw new UserError(`--proxy ${name}: there is no such program.`);
}
