import { createWriteStream } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { type ControlOptions, type DiscoveryOptions, discoveryLogging, startDiscovery } from '../app/discovery.ts';
import { UserError } from '../base/errors.ts';
import type { Logging, LogStream } from '../base/log.ts';
import { ISTIO_VERSION } from '../base/version.ts';
import { parseDuration } from '../config/schema/index.ts';

interface Flags {
  readonly configDir?: string;
  readonly meshConfig: string;
  readonly grpcAddr: string;
  readonly secureGRPCAddr: string;
  readonly httpAddr: string;
  readonly httpsAddr: string;
  readonly monitoringAddr: string;
  readonly registries: readonly string[];
  readonly domain: string;
  readonly clusterID: string;
  readonly namespace?: string;
  readonly keepaliveInterval: number;
  readonly keepaliveTimeout: number;
  readonly keepaliveMaxServerConnectionAge: number;
  readonly tlsMinVersion: '1.2' | '1.3';
  readonly tlsCipherSuites: readonly string[];
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly caCertFile?: string;
  readonly cacertsDir?: string;
  readonly stateDir?: string;
  readonly controlSocket?: string;
  readonly appliedDir?: string;
  readonly runtimeDir?: string;
  readonly shutdownDuration: number;
  readonly log_output_level?: string;
  readonly log_as_json?: boolean | string;
  readonly log_target: readonly string[];
}

/** Flags of pilot-discovery that mean nothing here, with the reason that is given when one is used. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  clusterAliases: 'there is one cluster',
  clusterRegistriesNamespace: 'there is one cluster',
  cniNamespace: 'there is no CNI plugin',
  ctrlz_address: 'there is no ControlZ; /debug/scopez sets log levels',
  ctrlz_port: 'there is no ControlZ; /debug/scopez sets log levels',
  httpsAddr: 'there are no webhooks without Kubernetes',
  kubeconfig: 'the configuration comes from --configDir',
  kubernetesApiBurst: 'the configuration comes from --configDir',
  kubernetesApiQPS: 'the configuration comes from --configDir',
  log_caller: 'lines do not name their caller',
  log_stacktrace_level: 'lines of errors carry their stack',
  networksConfig: 'networks come from meshNetworks in the registry',
  profile: 'profiles are taken with node --cpu-prof',
  vklog: 'there is no Kubernetes client',
};

/** `isthmus discovery`: the flags of `pilot-discovery discovery`. */
export function define(command: Command): void {
  command
    .option('--configDir <dir>', 'directory of configuration files, which are followed as they change')
    .option(
      '--meshConfig <file>',
      'configuration of the mesh, which is followed as it changes',
      './etc/istio/config/mesh',
    )
    .option('--grpcAddr <address>', 'discovery over plaintext gRPC; "" for none', ':15010')
    .option('--secureGRPCAddr <address>', 'discovery and certificates over TLS; "" for none', ':15012')
    .option('--httpAddr <address>', 'readiness and debug; "" for none', ':8080')
    .option('--httpsAddr <address>', 'webhooks of Kubernetes; "" for none', ':15017')
    .option('--monitoringAddr <address>', 'metrics, version and debug; "" for none', ':15014')
    .option('--registries <names>', 'platform registries to read services from', list, ['Kubernetes'])
    .option('--domain <suffix>', 'DNS suffix of services', 'cluster.local')
    .option('--clusterID <id>', 'name of the cluster that workloads are in', 'Kubernetes')
    .option('-n, --namespace <name>', 'namespace of the control plane (default: $POD_NAMESPACE, or istio-system)')
    .option('--keepaliveInterval <duration>', 'silence after which a connection is probed', duration, 30_000)
    .option('--keepaliveTimeout <duration>', 'time to answer a probe', duration, 10_000)
    .option('--keepaliveMaxServerConnectionAge <duration>', 'age at which connections are closed', duration, Infinity)
    .option('--tls-min-version <version>', 'lowest TLS version: 1.2 or 1.3', tlsVersion, '1.2')
    .option('--tls-cipher-suites <suites>', 'cipher suites of TLS 1.2, as Go names them', list, [])
    .option('--tlsCertFile <file>', 'certificate of the secured port, instead of one from our own authority')
    .option('--tlsKeyFile <file>', 'its key')
    .option('--caCertFile <file>', 'roots that client certificates are verified with, with --tlsCertFile')
    .option('--shutdownDuration <duration>', 'longest time to end connections in', duration, 10_000)
    .option('--log_output_level <levels>', 'levels by scope: default:info,ads:debug')
    .option('--log_as_json [bool]', 'log lines are JSON')
    .option('--log_target <path>', 'where lines go: stdout, stderr or a file', append, [])
    .option('--cacertsDir <dir>', 'files of a CA: ca-cert.pem, ca-key.pem, root-cert.pem, cert-chain.pem')
    .option('--stateDir <dir>', 'what survives a restart: accepted configuration, own root, key of tokens')
    .option('--controlSocket <path>', 'Unix socket to apply, delete and watch objects by')
    .option('--appliedDir <dir>', 'objects that were applied by it; they stand before those of --configDir')
    .option('--runtimeDir <dir>', 'objects that the mesh itself adds; they stand before all')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', NOTES);
  command.action((flags: Flags) => {
    const httpsWanted = flags.httpsAddr !== '' && command.getOptionValueSource('httpsAddr') === 'cli';
    return discover(flags, [...command.args, ...(httpsWanted ? ['--httpsAddr'] : [])]);
  });
}

const NOTES = `
Flags and environment are those of pilot-discovery; --cacertsDir, --stateDir and those of
the control interface (--controlSocket, --appliedDir, --runtimeDir) are our own. A flag of
pilot-discovery that has no effect here is named in a warning.

Configuration that is not valid is logged with its file, line and column, and counted; the last good
version of an object stays in force. Without --cacertsDir and without the folder $ROOT_CA_DIR
(./etc/cacerts) the mesh gets a root of its own, which is kept in --stateDir.
`;

async function discover(flags: Flags, rest: readonly string[]): Promise<void> {
  const logging = openLogging(flags);
  const log = logging.scope('default');
  for (const warning of warnings(flags, rest)) log.warn(warning);
  if (flags.configDir === undefined)
    throw new UserError('say where the configuration is with --configDir; there is no other registry yet');
  // Before it is ready: whoever waits for that may end it at once.
  const signalled = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  });
  let late: NodeJS.Timeout | undefined;
  void signalled.then((signal) => {
    log.info(`stopping on ${signal}`);
    late = setTimeout(() => {
      log.error('connections are left, stopping nevertheless');
      process.exit(1);
    }, flags.shutdownDuration);
  });
  const running = await startDiscovery(optionsOf(flags, flags.configDir), logging);
  await signalled;
  await running.stop();
  clearTimeout(late);
  log.info('stopped');
}

function optionsOf(flags: Flags, configDir: string): DiscoveryOptions {
  const { grpcAddr, secureGRPCAddr, httpAddr, monitoringAddr } = flags;
  return {
    configDir,
    control: controlOf(flags),
    meshConfig: flags.meshConfig,
    addresses: { grpcAddr, secureGRPCAddr, httpAddr, monitoringAddr },
    domain: flags.domain,
    clusterId: flags.clusterID,
    namespace: flags.namespace ?? (process.env.POD_NAMESPACE || 'istio-system'),
    keepalive: {
      intervalMs: flags.keepaliveInterval,
      timeoutMs: flags.keepaliveTimeout,
      maxConnectionAgeMs: flags.keepaliveMaxServerConnectionAge,
    },
    tls: { minVersion: `TLSv${flags.tlsMinVersion}`, ...ciphers(flags.tlsCipherSuites) },
    tlsCertFile: flags.tlsCertFile,
    tlsKeyFile: flags.tlsKeyFile,
    caCertFile: flags.caCertFile,
    cacertsDir: flags.cacertsDir,
    stateDir: flags.stateDir,
    env: process.env,
    version: ISTIO_VERSION,
  };
}

function controlOf({ controlSocket: socket, appliedDir, runtimeDir }: Flags): ControlOptions | undefined {
  if (socket === undefined && appliedDir === undefined && runtimeDir === undefined) return undefined;
  if (socket === undefined || appliedDir === undefined || runtimeDir === undefined)
    throw new UserError('--controlSocket, --appliedDir and --runtimeDir belong together; give all three or none');
  return { socket, appliedDir, runtimeDir };
}

function openLogging(flags: Flags): Logging {
  const json = flags.log_as_json === true || flags.log_as_json === 'true';
  const streams = (flags.log_target.length > 0 ? flags.log_target : ['stdout']).map((target): LogStream => {
    if (target === 'stdout') return process.stdout;
    return target === 'stderr' ? process.stderr : createWriteStream(target, { flags: 'a', mode: 0o600 });
  });
  const logging = discoveryLogging(json ? 'json' : 'istio', streams.length === 1 ? streams[0] : tee(streams));
  const problem = flags.log_output_level && logging.configure(flags.log_output_level);
  if (problem) throw new UserError(`--log_output_level: ${problem}`);
  return logging;
}

function tee(streams: readonly LogStream[]): LogStream {
  return {
    write: (line) => {
      for (const stream of streams) stream.write(line);
    },
    on: (event, listener) => {
      for (const stream of streams) stream.on?.(event, listener);
    },
  };
}

function warnings(flags: Flags, rest: readonly string[]): string[] {
  const found: string[] = [];
  for (const argument of rest) {
    const name = /^--?([\w-]+)/.exec(argument)?.[1];
    if (name === undefined) continue;
    const reason = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name] : 'it is not known';
    found.push(`--${name} has no effect: ${reason}`);
  }
  for (const registry of flags.registries) {
    if (registry !== 'Kubernetes') found.push(`--registries ${registry} has no effect: services come from --configDir`);
  }
  return found;
}

function list(text: string): string[] {
  return text.split(',').filter((item) => item !== '');
}

function append(text: string, earlier: readonly string[]): string[] {
  return [...earlier, text];
}

function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError('It must be a duration such as 30s or 1h.');
  return ms;
}

function tlsVersion(text: string): string {
  if (text !== '1.2' && text !== '1.3') throw new InvalidArgumentError('Only 1.2 and 1.3 are supported.');
  return text;
}

/** OpenSSL's name of a suite by Go's. Those that Go calls insecure have none here. */
const SUITES: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
};

function ciphers(suites: readonly string[]): { ciphers?: string } {
  if (suites.length === 0) return {};
  const names = suites.map((suite) => {
    const name = Object.hasOwn(SUITES, suite) ? SUITES[suite] : undefined;
    if (name === undefined)
      throw new UserError(`--tls-cipher-suites: ${suite} is not one of ${Object.keys(SUITES).join(', ')}`);
    return name;
  });
  return { ciphers: names.join(':') };
}
