import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { systemClock } from '../base/clock.ts';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { Logging, type LogStream } from '../base/log.ts';
import { parseDuration } from '../config/schema/index.ts';
import { AppliedPlaces, type Kept } from '../config/store/applied-places.ts';
import { FileStore } from '../config/store/file-store.ts';
import { LayeredStore } from '../config/store/layered-store.ts';
import type { ConfigStore } from '../config/store/store.ts';
import { podProblem } from '../discovery/bound-pods.ts';
import { ControlServer } from '../discovery/control/server.ts';
import { ControlPlane } from '../discovery/control-plane.ts';
import { isFolder, openSecurity, type Security } from '../discovery/security.ts';
import { parseAddress } from '../discovery/server/address.ts';
import type { Keepalive, UnaryMethod } from '../discovery/server/grpc-server.ts';
import { controlPlaneNames } from '../discovery/server/server-certificate.ts';
import type { ServerFilePaths } from '../discovery/server/server-files.ts';
import { openServers, type Servers } from '../discovery/server/servers.ts';
import type { TlsSettings } from '../discovery/server/tls-listener.ts';
import { MeshSettings } from '../discovery/snapshot/mesh-settings.ts';
import { limitsOf } from '../ratelimit/limits.ts';
import { RateLimitService } from '../ratelimit/service.ts';
import { featuresFromEnv } from '../translate/features.ts';
import { meshOf } from '../translate/mesh.ts';
import { MeshTranslator } from '../translate/translator.ts';
import { certificateMethod } from './certificate-method.ts';
import { rateLimitMethod } from './rate-limit-method.ts';
import { upstreamAuthority } from './upstream-authority.ts';

/** Where the control plane listens; the empty text is nowhere. */
export interface DiscoveryAddresses {
  readonly grpcAddr: string;
  readonly secureGRPCAddr: string;
  readonly httpAddr: string;
  readonly monitoringAddr: string;
}

/** What makes a control plane that can be told things while it runs, as a local mesh's is. */
export interface ControlOptions {
  /** Path of the Unix socket of the control interface. */
  readonly socket: string;
  /** Folder for the objects that are applied to it, which stand before those of the configuration folder. */
  readonly appliedDir: string;
  /** Folder of the objects that the mesh itself adds, which stand before all. */
  readonly runtimeDir: string;
}

export interface DiscoveryOptions {
  readonly configDir: string;
  /** Absent, the configuration is what the configuration folder says. */
  readonly control: ControlOptions | undefined;
  readonly meshConfig: string;
  readonly addresses: DiscoveryAddresses;
  readonly domain: string;
  readonly clusterId: string;
  /** Namespace of the control plane, and root namespace of a mesh that names none. */
  readonly namespace: string;
  readonly keepalive: Keepalive;
  readonly tls: TlsSettings;
  readonly tlsCertFile: string | undefined;
  readonly tlsKeyFile: string | undefined;
  readonly caCertFile: string | undefined;
  /** Folder with the files of `cacerts`. */
  readonly cacertsDir: string | undefined;
  /** Folder for what must survive a restart: the accepted configuration, our own root, the key that signs tokens. */
  readonly stateDir: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

/** A control plane that runs. */
export interface RunningDiscovery {
  readonly addresses: Servers['addresses'];
  readonly store: ConfigStore;
  readonly controlPlane: ControlPlane;
  /** Ends streams and listeners, and settles when nothing is left. */
  stop(): Promise<void>;
}

/** Istio's default of `ROOT_CA_DIR`. */
const DEFAULT_CACERTS_DIR = './etc/cacerts';
/** `PILOT_PUSH_THROTTLE`, where it is not set. */
const DEFAULT_PUSH_THROTTLE = 100;
/** `PILOT_WORKLOAD_ENTRY_GRACE_PERIOD`, where it is not set. */
const DEFAULT_WORKLOAD_GRACE_MS = 10_000;

export function discoveryLogging(format: 'istio' | 'json', stream: LogStream): Logging {
  return new Logging({ format, stream });
}

/** Starts the control plane: configuration, authority, listeners. Throws a UserError that says what to change. */
export async function startDiscovery(options: DiscoveryOptions, logging: Logging): Promise<RunningDiscovery> {
  const { env, namespace, addresses } = options;
  const clock = systemClock;
  const log = logging.scope('default');
  const listeners = {
    grpc: parseAddress('grpcAddr', addresses.grpcAddr),
    secureGrpc: parseAddress('secureGRPCAddr', addresses.secureGRPCAddr),
    http: parseAddress('httpAddr', addresses.httpAddr),
    monitoring: parseAddress('monitoringAddr', addresses.monitoringAddr),
  };
  const closers: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    for (const close of closers.reverse().splice(0)) await close();
  };
  try {
    const store = await openStore(options, logging);
    closers.push(() => store.close());
    let apply: ((config: MeshSettings['config']) => void) | undefined;
    const settings = await MeshSettings.open({
      file: options.meshConfig,
      store,
      namespace,
      log: logging.scope('model'),
      clock,
      onChange: (config) => apply?.(config),
    });
    closers.push(() => settings.close());
    const controlPlane = new ControlPlane({
      store,
      settings,
      translator: new MeshTranslator({ features: featuresFromEnv(env), domain: options.domain }),
      registry: {
        domain: options.domain,
        clusterId: options.clusterId,
        network: '',
        allocateAddresses: env.PILOT_ENABLE_IP_AUTOALLOCATE !== 'false',
        // Who applies objects here has no other API server.
        allocateClusterIps: options.control !== undefined,
      },
      clock,
      logging,
      version: options.version,
      instance: env.POD_NAME || hostname(),
      maxPushes: positive(env.PILOT_PUSH_THROTTLE) ?? DEFAULT_PUSH_THROTTLE,
      checkIdentity: env.PILOT_ENABLE_XDS_IDENTITY_CHECK !== 'false',
      runtime:
        store instanceof LayeredStore && env.PILOT_ENABLE_WORKLOAD_ENTRY_AUTOREGISTRATION !== 'false'
          ? store.runtime
          : undefined,
      workloadGraceMs: duration(env, 'PILOT_WORKLOAD_ENTRY_GRACE_PERIOD') ?? DEFAULT_WORKLOAD_GRACE_MS,
    });
    closers.push(() => controlPlane.close());
    apply = (config) => controlPlane.source.setMesh(config);

    const security = listeners.secureGrpc ? await openAuthority(options, settings, controlPlane, logging) : undefined;
    if (security) closers.push(() => security.close());
    const servers = await openServers({
      controlPlane,
      logging,
      clock,
      version: options.version,
      keepalive: options.keepalive,
      methods: security
        ? [certificateMethod(security.certificates), countingMethod(controlPlane, security, logging)]
        : [],
      ...listeners,
      security,
      tls: options.tls,
      tlsFiles: tlsFilesOf(options),
      dnsNames: controlPlaneNames(namespace, env.REVISION),
      authenticateXds: env.XDS_AUTH !== 'false',
    });
    // Streams end before the sockets under them are drained.
    closers.push(async () => {
      controlPlane.close();
      await servers.close();
    });
    if (options.control) {
      const control = new ControlServer({
        store,
        written: store instanceof LayeredStore ? store.written : store,
        runtime: store instanceof LayeredStore ? store.runtime : undefined,
        convergence: controlPlane.convergence,
        proxies: controlPlane.proxies,
        meshSnapshot: () => controlPlane.source.snapshot.number,
        meshWarnings: () => controlPlane.source.snapshot.config.warnings,
        defaultNamespace: 'default',
      });
      await control.listen(options.control.socket);
      closers.push(() => control.close());
    }
    const { number, config } = controlPlane.source.snapshot;
    const where = Object.entries(servers.addresses).map(([name, address]) => `${name} ${address}`);
    log.info(`discovery is ready: ${where.join(', ')}; snapshot ${number} with ${config.size} objects`);
    return { addresses: servers.addresses, store, controlPlane, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openStore({ configDir, control, stateDir }: DiscoveryOptions, logging: Logging): Promise<ConfigStore> {
  const open = (directory: string, name: string, keepsStatus = false) =>
    FileStore.open({
      directory,
      keepsStatus,
      ...(stateDir === undefined ? {} : { stateDirectory: path.join(stateDir, name) }),
      onProblem: (message) => logging.scope('file').error(message),
    });
  const files = await open(configDir, 'config');
  if (!control) return files;
  const opened: ConfigStore[] = [files];
  try {
    const applied = await open(control.appliedDir, 'applied');
    opened.push(applied);
    const runtime = await open(control.runtimeDir, 'runtime', true);
    opened.push(runtime);
    const kept = <T>(name: string, initial: T) => openKept(path.join(control.appliedDir, name), initial);
    const deleted = await kept<readonly string[]>('.deleted.json', []);
    const places = new AppliedPlaces(await kept('.places.json', {}));
    return new LayeredStore({ files, applied, runtime }, { deleted, places });
  } catch (error) {
    for (const store of opened) await store.close();
    throw error;
  }
}

/** A value beside what was applied, in a file that no store reads as configuration. */
async function openKept<T>(file: string, initial: T): Promise<Kept<T>> {
  let value = initial;
  try {
    value = JSON.parse(await readFile(file, 'utf8')) as T;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw new UserError(`${file} cannot be read: ${messageOf(error)}`);
  }
  return {
    get value() {
      return value;
    },
    set: async (next) => {
      await writeFile(`${file}.new`, JSON.stringify(next), { mode: 0o600 });
      await rename(`${file}.new`, file);
      value = next;
    },
  };
}

async function openAuthority(
  options: DiscoveryOptions,
  settings: MeshSettings,
  controlPlane: ControlPlane,
  logging: Logging,
): Promise<Security> {
  const { env } = options;
  const plugged = options.cacertsDir ?? env.ROOT_CA_DIR ?? DEFAULT_CACERTS_DIR;
  const isGiven = options.cacertsDir !== undefined || (await isFolder(plugged));
  const log = logging.scope('serverca');
  const defaultTtlMs = duration(env, 'DEFAULT_WORKLOAD_CERT_TTL');
  const maxTtlMs = duration(env, 'MAX_WORKLOAD_CERT_TTL');
  const security = await openSecurity({
    upstream: await upstreamAuthority(env, { defaultTtlMs, maxTtlMs }, log),
    // Whoever runs the mesh tells of its pods.
    podProblem: options.control
      ? (pod) => podProblem(controlPlane.source.snapshot.config, pod, systemClock)
      : undefined,
    trustedAccounts: (env.CA_TRUSTED_NODE_ACCOUNTS || '').split(',').map((account) => account.trim()),
    certificates: isGiven ? plugged : undefined,
    stateDirectory: options.stateDir,
    mesh: meshOf(settings.config),
    audiences: (env.TOKEN_AUDIENCES || 'istio-ca').split(','),
    jwtRule: env.JWT_RULE || undefined,
    defaultTtlMs,
    maxTtlMs,
    rootTtlMs: duration(env, 'CITADEL_SELF_SIGNED_CA_CERT_TTL'),
    clock: systemClock,
    log,
    metrics: controlPlane.certificateMetrics(),
  });
  controlPlane.observeAuthority(security.authority);
  const { source, signer } = security.authority.describe();
  log.info(`certificates are signed with ${source} (${signer.subject})`);
  return security;
}

/** Counts for rate limits that proxies share, by what the configuration says at the moment. */
function countingMethod({ source }: ControlPlane, { authenticators }: Security, logging: Logging): UnaryMethod {
  const service = new RateLimitService(systemClock);
  const take = () => service.setLimits(limitsOf(source.snapshot.config));
  source.subscribe(({ trigger }) => {
    if (trigger === 'config') take();
  });
  take();
  return rateLimitMethod(service, authenticators, systemClock, logging.scope('ratelimit'));
}

function tlsFilesOf({ tlsCertFile, tlsKeyFile, caCertFile }: DiscoveryOptions): ServerFilePaths | undefined {
  if (!tlsCertFile && !tlsKeyFile) return undefined;
  if (!tlsCertFile || !tlsKeyFile || !caCertFile)
    throw new UserError('--tlsCertFile, --tlsKeyFile and --caCertFile belong together; give all three or none');
  return { chain: tlsCertFile, key: tlsKeyFile, roots: caCertFile };
}

function positive(text: string | undefined): number | undefined {
  const number = Number(text);
  return text && Number.isInteger(number) && number > 0 ? number : undefined;
}

function duration(env: DiscoveryOptions['env'], name: string): number | undefined {
  const text = env[name];
  if (!text) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new UserError(`${name} must be a duration such as 24h, not ${text}`);
  return ms;
}
