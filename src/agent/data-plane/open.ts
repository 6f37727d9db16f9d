import fs from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import type { JsonValue } from '@bufbuild/protobuf';
import { type Bootstrap, BootstrapSchema } from '../../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { messageFromJson } from '../../api/json.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { buildBootstrap } from '../bootstrap/bootstrap.ts';
import type { Discovery } from '../bootstrap/discovery.ts';
import { servicesNeedSystemRoots } from '../bootstrap/services.ts';
import { discoveryRootsFile, systemRootsFile } from '../certificates/roots.ts';
import { BOOTSTRAP_FILE, writeWhole } from '../files.ts';
import { RecordingSource } from '../last-good/recording-source.ts';
import { ConfigurationStore } from '../last-good/store.ts';
import type { AgentNetwork } from '../network.ts';
import type { AgentOptions } from '../options.ts';
import type { Paths } from '../paths.ts';
import { InProcessSecrets } from '../sds/in-process.ts';
import type { Secrets } from '../sds/secrets.ts';
import { type DataPlane, splitLogLevel } from './data-plane.ts';
import { InProcessProxy } from './in-process.ts';

export interface OpenDataPlaneOptions extends AgentOptions {
  readonly paths: Paths;
  readonly network: AgentNetwork;
  readonly discovery: Discovery;
  /** The port that the status server really listens on. */
  readonly statusPort: number;
  /** Undefined where somebody else serves secrets. */
  readonly secrets: Secrets | undefined;
  /** Path of the socket that secrets come from for a proxy that is not in this process. */
  readonly sdsSocket: string;
  readonly clock: Clock;
}

const CONFIGURATION_FILE = 'config.pb';

/** Writes the bootstrap and prepares the proxy that it is for. */
export async function openDataPlane(options: OpenDataPlaneOptions): Promise<DataPlane> {
  const { proxyConfig, environment, paths } = options;
  if (proxyConfig.proxyBootstrapTemplatePath)
    throw new UserError(
      'proxyBootstrapTemplatePath has no effect: a bootstrap is not made from a Go template. Change it with ISTIO_BOOTSTRAP_OVERRIDE, or replace it with customConfigFile.',
    );
  const { customConfigFile } = proxyConfig;
  const override = environment.bootstrapOverride && (await readOverride(paths.resolve(environment.bootstrapOverride)));
  const bootstrap = buildBootstrap({
    ...options,
    forEnvoy: options.envoy !== undefined,
    systemRoots: servicesNeedSystemRoots(proxyConfig) ? await systemRootsFile() : undefined,
    discoveryRoots: await discoveryRootsFile(environment.xdsRootCa),
  });
  const file = customConfigFile
    ? paths.resolve(customConfigFile)
    : paths.resolve(path.join(proxyConfig.configPath, BOOTSTRAP_FILE));
  if (!customConfigFile) await writeWhole(file, `${JSON.stringify(bootstrap, undefined, 2)}\n`);
  const ownPorts = [environment.statusListenerPort, environment.prometheusListenerPort];
  if (options.envoy !== undefined) return openEnvoy(options, options.envoy, file, override || undefined, ownPorts);
  const message =
    customConfigFile || override
      ? await loadFile(file, override || undefined)
      : readJson(bootstrap as unknown as JsonValue);
  return openInProcess(options, bootstrap.node.id, message, ownPorts);
}

async function readOverride(file: string): Promise<string> {
  try {
    return (await fs.readFile(file, 'utf8')).replaceAll('$(HOST_IP)', process.env.HOST_IP ?? '');
  } catch (error) {
    throw new UserError(`ISTIO_BOOTSTRAP_OVERRIDE ${file} cannot be read: ${messageOf(error)}.`);
  }
}

/** Only what a person wrote needs the reader that tells lines and columns. */
async function loadFile(file: string, override: string | undefined): Promise<Bootstrap> {
  const { loadBootstrap } = await import('../../proxy/bootstrap.ts');
  return loadBootstrap(file, override).bootstrap;
}

function readJson(json: JsonValue): Bootstrap {
  const read = messageFromJson(BootstrapSchema, json);
  if ('message' in read) return read.message;
  throw new UserError(
    read.problems.map(({ path: at, message }) => `bootstrap: ${at.join('.')}: ${message}`).join('\n'),
  );
}

async function openEnvoy(
  options: OpenDataPlaneOptions,
  program: string,
  file: string,
  bootstrapOverride: string | undefined,
  ownPorts: readonly number[],
): Promise<DataPlane> {
  const { environment, proxyConfig, paths, logging, env } = options;
  if (environment.podNetwork)
    throw new UserError('ISTHMUS_POD_NETWORK is for our own proxy; give Envoy an address with ISTHMUS_AGENT_ADDRESS.');
  const { EnvoyProcess } = await import('./envoy.ts');
  const isV6 = isIP(environment.instanceIp) === 6;
  return new EnvoyProcess({
    program,
    bootstrapFile: paths.relative(file),
    bootstrapOverride,
    cwd: paths.dir,
    env,
    admin: { host: environment.address ?? (isV6 ? '::1' : '127.0.0.1'), port: proxyConfig.proxyAdminPort },
    logLevel: options.proxyLogLevel,
    componentLogLevel: options.proxyComponentLogLevel,
    concurrency: proxyConfig.concurrency ?? 0,
    drainMs: proxyConfig.drainDuration,
    flushMs: proxyConfig.fileFlushInterval,
    flushMinKb: proxyConfig.fileFlushMinSizeKb,
    skipDeprecatedLogs: environment.skipDeprecatedLogs,
    ipVersion: isV6 ? 'v6' : 'v4',
    ownPorts,
    log: logging.scope('default'),
  });
}

async function openInProcess(
  options: OpenDataPlaneOptions,
  node: string,
  bootstrap: Bootstrap,
  ownPorts: readonly number[],
): Promise<DataPlane> {
  const { environment, proxyConfig, paths, secrets, network, logging, proxyLogging, clock } = options;
  const log = logging.scope('xds');
  if ((proxyConfig.concurrency ?? 0) > 1)
    log.info(`concurrency ${proxyConfig.concurrency}: our own proxy works with one thread`);
  if (options.podAnnotations['sidecar.istio.io/statsEvictionInterval'])
    log.warn('sidecar.istio.io/statsEvictionInterval has no effect: our own proxy keeps statistics as long as it runs');
  setLogLevels(options);
  const { stateDir } = environment;
  const store =
    stateDir === undefined
      ? undefined
      : new ConfigurationStore(path.join(paths.resolve(stateDir), CONFIGURATION_FILE), {
          node,
          discovery: proxyConfig.discoveryAddress,
        });
  const kept = await store?.read().catch((error) => {
    log.warn(`the configuration of an earlier run is not used: ${messageOf(error)}`);
    return undefined;
  });
  return new InProcessProxy({
    bootstrap,
    logging: proxyLogging,
    drainMs: proxyConfig.drainDuration,
    flushMs: proxyConfig.fileFlushInterval,
    flushMinKb: proxyConfig.fileFlushMinSizeKb,
    secrets: secrets && new InProcessSecrets(secrets, logging.scope('sds'), clock),
    record: (source) => new RecordingSource({ source, store, kept, log, clock }),
    ownPorts,
    addresses: network.addresses,
  });
}

function setLogLevels({ proxyLogging, proxyLogLevel, proxyComponentLogLevel }: OpenDataPlaneOptions): void {
  const { level, components } = splitLogLevel(proxyLogLevel);
  for (const spec of [level, components || proxyComponentLogLevel]) {
    const problem = spec && proxyLogging.configure(spec);
    if (problem) throw new UserError(`--proxyLogLevel: ${problem}`);
  }
}
