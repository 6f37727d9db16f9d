import { isIP } from 'node:net';
import os from 'node:os';
import { messageOf, UserError } from '../../base/errors.ts';
import { trustDomainProblem } from '../../base/spiffe.ts';
import { type CertificateEnvironment, certificateEnvironment } from '../../ca/client/environment.ts';
import { DNS_PORT } from '../capture/options.ts';
import { POD_NETWORK_VARIABLE, type PodNetwork, parsePodNetwork } from '../pod-network.ts';
import { type AgentRelay, parseRelays, RELAYS_VARIABLE } from '../relays.ts';
import { type AppProbers, parseAppProbers } from '../status/app-probers.ts';
import { type Environment, EnvironmentReader, invalid } from './values.ts';

/** Where Prometheus finds the metrics of the program beside the proxy: its `prometheus.io/*` annotations. */
export interface ScrapeTarget {
  readonly path: string;
  readonly port: number;
}

/** What the environment tells an agent, in the terms of pilot-agent; each variable is read here and nowhere else. */
export interface AgentEnvironment {
  readonly podName: string;
  readonly podNamespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  /** `INSTANCE_IP`, or an address of this machine. */
  readonly instanceIp: string;
  /** Every address of the pod, `instanceIp` first. */
  readonly instanceIps: readonly string[];
  readonly clusterId: string | undefined;

  /** `CA_ADDR`; the discovery address unless told. */
  readonly caAddress: string | undefined;
  /** Files with roots for discovery and the CA, or `SYSTEM`. */
  readonly xdsRootCa: string | undefined;
  readonly caRootCa: string | undefined;
  /** What the control plane's certificate must be for, if that is not the host of its address. */
  readonly istiodSan: string | undefined;
  readonly certificates: CertificateEnvironment;
  /** File name of the socket of a secret service that is not ours, such as SPIRE's. */
  readonly workloadIdentitySocket: string | undefined;
  /** `ISTHMUS_SDS_SOCKET`: file name of the socket on which this agent serves secrets to another process. */
  readonly ownSocket: string;
  readonly delta: boolean;

  readonly disableEnvoy: boolean;
  readonly exitOnZeroActiveConnections: boolean;
  readonly minimumDrainMs: number;
  /** `ISTHMUS_DRAIN_LIMIT`, milliseconds: whoever started the agent ends it soon after; undefined if nobody does. */
  readonly drainLimitMs: number | undefined;
  readonly statusListenerPort: number;
  readonly prometheusListenerPort: number;
  readonly skipDeprecatedLogs: boolean;
  /** `HOST_IP`: the machine that the pod is on. */
  readonly hostIp: string | undefined;
  /** `ISTIO_DUAL_STACK`: a pod of both families is reached by both. */
  readonly dualStack: boolean;
  /** `ISTIO_BOOTSTRAP_OVERRIDE`: file that is merged over the bootstrap. */
  readonly bootstrapOverride: string | undefined;

  readonly appProbers: AppProbers;
  /** Send probes of the program to localhost rather than to the pod's address. */
  readonly probeLocalhost: boolean;
  /** Offer HTTP/2 in probes over HTTPS. */
  readonly probeHttp2: boolean;
  readonly scrapeTarget: ScrapeTarget | undefined;

  /** `ISTIO_META_*` by the rest of the name, and what `ISTIO_METAJSON_*` hold. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;

  /** `ISTHMUS_AGENT_ADDRESS`: where this agent and its proxy serve admin, status, readiness and metrics. */
  readonly address: string | undefined;
  readonly podNetwork: PodNetwork | undefined;
  /** Whether `/etc` and the like are the pod's own only under its working folder. */
  readonly sharesFiles: boolean;
  /** Ways into the network of the pod, for those who share its files. */
  readonly relays: readonly AgentRelay[];
  /** Whether the agent answers DNS (`ISTIO_META_DNS_CAPTURE` of a sidecar, `ISTIO_META_ENABLE_DNS_SERVER` of a gateway). */
  readonly dns: boolean;
  /** `DNS_PROXY_ADDR`. */
  readonly dnsAddress: string;
  /** `DNS_FORWARD_TIMEOUT`, milliseconds. */
  readonly dnsTimeoutMs: number;
  /** `ISTHMUS_AGENT_STATE`: folder for the last good certificates and configuration; undefined keeps none. */
  readonly stateDir: string | undefined;
  /** What was set and has no effect here, each with its reason. */
  readonly warnings: readonly string[];
}

const DEFAULT_SOCKET = 'socket';
const DEFAULT_STATE_DIR = './var/lib/istio/data';

/** Variables of pilot-agent that mean nothing here, with the reason that is given when one is set. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  DNS_FORWARD_PARALLEL: 'name servers are asked one after the other',
  ENVOY_SECURE_MERGED_METRICS_PORT: 'metrics are served in clear only',
  ENVOY_SECURE_METRICS_PORT: 'metrics are served in clear only',
  GRPC_XDS_BOOTSTRAP: 'no bootstrap for proxyless gRPC is written',
  PEER_METADATA_DISCOVERY: 'peers are told apart by what they send',
  PROXY_CONFIG_XDS_AGENT: 'the proxy is configured when it starts',
  WASM_HTTP_REQUEST_MAX_RETRIES: 'there is no Wasm',
  WASM_HTTP_REQUEST_TIMEOUT: 'there is no Wasm',
  WASM_INSECURE_REGISTRIES: 'there is no Wasm',
  WASM_MODULE_EXPIRY: 'there is no Wasm',
  WASM_PURGE_INTERVAL: 'there is no Wasm',
  XDS_AUTH_PROVIDER: 'discovery is proven to by certificate',
};

/** Reads the environment. A UserError names the variable that is wrong and what it must be. */
export function readEnvironment(env: Environment, role: 'sidecar' | 'router'): AgentEnvironment {
  const read = new EnvironmentReader(env);
  refuse(read, 'CA_PROVIDER', 'Citadel');
  refuse(read, 'CREDENTIAL_FETCHER_TYPE', 'JWT');
  refuse(read, 'JWT_POLICY', 'third-party-jwt');
  const certificates = certificateEnvironment(env);
  if (certificates.fileMounted && certificates.provisionedDir)
    throw new UserError('PROV_CERT and FILE_MOUNTED_CERTS exclude each other: unset one of them.');
  const podNetwork = readPodNetwork(read.text(POD_NETWORK_VARIABLE));
  const relays = parseRelays(read.text(RELAYS_VARIABLE));
  const instanceIp = readAddress(read, 'INSTANCE_IP') ?? podNetwork?.pod;
  const ips = instanceIps(instanceIp, podNetwork !== undefined);
  const trustDomain = read.text('TRUST_DOMAIN') ?? 'cluster.local';
  const problem = trustDomainProblem(trustDomain);
  if (problem) throw new UserError(`The environment variable TRUST_DOMAIN is no trust domain: ${problem}.`);
  const socket = read.text('WORKLOAD_IDENTITY_SOCKET_FILE') ?? DEFAULT_SOCKET;
  if (socket.includes('/')) throw invalid('WORKLOAD_IDENTITY_SOCKET_FILE', socket, 'the name of a file, not a path');
  const ownSocket = read.text('ISTHMUS_SDS_SOCKET') ?? DEFAULT_SOCKET;
  if (ownSocket.includes('/')) throw invalid('ISTHMUS_SDS_SOCKET', ownSocket, 'the name of a file, not a path');
  return {
    podName: read.text('POD_NAME') ?? os.hostname(),
    podNamespace: read.text('POD_NAMESPACE') ?? 'default',
    serviceAccount: read.text('SERVICE_ACCOUNT') ?? 'default',
    trustDomain,
    instanceIp: ips[0],
    instanceIps: ips,
    clusterId: read.text('ISTIO_META_CLUSTER_ID') ?? read.text('CLUSTER_ID'),
    caAddress: read.text('CA_ADDR'),
    xdsRootCa: read.text('XDS_ROOT_CA'),
    caRootCa: read.text('CA_ROOT_CA'),
    istiodSan: read.text('ISTIOD_SAN'),
    certificates,
    workloadIdentitySocket: socket === DEFAULT_SOCKET ? undefined : socket,
    ownSocket,
    delta: read.boolean('ISTIO_DELTA_XDS', true),
    disableEnvoy: read.boolean('DISABLE_ENVOY', false),
    exitOnZeroActiveConnections: read.boolean('EXIT_ON_ZERO_ACTIVE_CONNECTIONS', false),
    minimumDrainMs: read.duration('MINIMUM_DRAIN_DURATION', 5000),
    drainLimitMs: read.text('ISTHMUS_DRAIN_LIMIT') ? read.duration('ISTHMUS_DRAIN_LIMIT', 0) : undefined,
    statusListenerPort: read.port('ENVOY_STATUS_PORT', 15021),
    prometheusListenerPort: read.port('ENVOY_PROMETHEUS_PORT', 15090),
    skipDeprecatedLogs: read.boolean('ENVOY_SKIP_DEPRECATED_LOGS', true),
    hostIp: readAddress(read, 'HOST_IP'),
    dualStack: read.boolean('ISTIO_DUAL_STACK', false),
    bootstrapOverride: read.text('ISTIO_BOOTSTRAP_OVERRIDE'),
    appProbers: parseAppProbers(read.text('ISTIO_KUBE_APP_PROBERS')),
    probeLocalhost: podNetwork !== undefined || read.boolean('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION', false),
    probeHttp2: read.boolean('ISTIO_ENABLE_HTTP2_PROBING', true),
    // The status port of a gateway is open to whoever reaches its service; a program's metrics are not to be had there.
    scrapeTarget: role === 'sidecar' ? readScrapeTarget(read) : undefined,
    metadata: readMetadata(read),
    labels: readLabels(read),
    address: readAddress(read, 'ISTHMUS_AGENT_ADDRESS'),
    podNetwork,
    sharesFiles: podNetwork !== undefined || relays.length > 0,
    relays,
    dns: read.boolean(role === 'sidecar' ? 'ISTIO_META_DNS_CAPTURE' : 'ISTIO_META_ENABLE_DNS_SERVER', false),
    dnsAddress: read.text('DNS_PROXY_ADDR') ?? `localhost:${DNS_PORT}`,
    dnsTimeoutMs: read.duration('DNS_FORWARD_TIMEOUT', 5000),
    stateDir: (env.ISTHMUS_AGENT_STATE ?? DEFAULT_STATE_DIR) || undefined,
    warnings: Object.entries(WITHOUT_EFFECT).flatMap(([name, reason]) =>
      read.text(name) && env[name] !== 'false' ? [`${name} has no effect: ${reason}`] : [],
    ),
  };
}

function refuse(read: EnvironmentReader, name: string, only: string): void {
  const value = read.text(name);
  if (value !== undefined && value !== only) throw invalid(name, value, only);
}

function readAddress(read: EnvironmentReader, name: string): string | undefined {
  const text = read.text(name);
  if (text !== undefined && isIP(text) === 0) throw invalid(name, text, 'an IP address');
  return text;
}

function readPodNetwork(text: string | undefined): PodNetwork | undefined {
  if (text === undefined) return undefined;
  try {
    return parsePodNetwork(text);
  } catch (error) {
    throw new UserError(
      `The environment variable ${POD_NETWORK_VARIABLE} is not what \`up\` writes: ${messageOf(error)}.`,
    );
  }
}

/**
 * The addresses of the pod: the given one, then those of the machine. Where the given one is a loopback address many
 * pods share the machine, and its addresses belong to none of them.
 */
function instanceIps(given: string | undefined, shared: boolean): readonly [string, ...string[]] {
  const isLoopback = given !== undefined && (given.startsWith('127.') || given === '::1');
  if (given !== undefined && (shared || isLoopback)) return [given];
  const found = Object.values(os.networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^(169\.254\.|fe[89ab][0-9a-f]:)/i.test(address))
    .map(({ address }) => address);
  const all = [...new Set([...(given === undefined ? [] : [given]), ...found])];
  return all.length > 0 ? [all[0], ...all.slice(1)] : ['127.0.0.1'];
}

const SCRAPE_FORM = 'JSON such as {"scrape":"true","path":"/metrics","port":"8080"}';

function readScrapeTarget(read: EnvironmentReader): ScrapeTarget | undefined {
  return read.json('ISTIO_PROMETHEUS_ANNOTATIONS', SCRAPE_FORM, parseScrape) || undefined;
}

/** False where there is nothing to scrape. */
function parseScrape(value: unknown): ScrapeTarget | false | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { scrape, path, port } = value as Record<string, unknown>;
  const text = (v: unknown, otherwise: string) => (v === undefined || v === '' ? otherwise : String(v));
  if (text(scrape, 'true') === 'false') return false;
  const number = Number(text(port, '80'));
  if (!Number.isInteger(number) || number < 1 || number > 65535) return undefined;
  const where = text(path, '/metrics');
  return { path: where.startsWith('/') ? where : `/${where}`, port: number };
}

function readMetadata(read: EnvironmentReader): Record<string, unknown> {
  const metadata: Record<string, unknown> = {};
  for (const [key, value] of read.withPrefix('ISTIO_META_')) metadata[key] = value;
  for (const [key] of read.withPrefix('ISTIO_METAJSON_')) {
    if (key === 'LABELS') continue;
    Object.assign(metadata, read.json(`ISTIO_METAJSON_${key}`, 'a JSON object', asObject));
  }
  return metadata;
}

function asObject(value: unknown): object | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function readLabels(read: EnvironmentReader): Record<string, string> {
  const labels = read.json('ISTIO_METAJSON_LABELS', 'a JSON object of texts', asObject) ?? {};
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)]));
}
