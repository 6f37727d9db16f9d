import path from 'node:path';
import { podPort } from '../../agent/pod-network.ts';
import { type EnrouteRole, enrouteRole, isEnrouteGateway } from '../../config/enroute-gateway.ts';
import type { Container } from '../../config/kinds/shared/pod-spec.ts';
import { parseYaml } from '../../config/yaml/parse.ts';
import type { ProcessStatus } from '../../process/managed-process.ts';
import { RunningContainer } from './container.ts';
import type { DesiredPod } from './desired-pod.ts';
import { containerEnvironment, type PodFacts } from './environment.ts';
import type { Injection } from './injection.ts';
import type { PodSurroundings } from './pod-surroundings.ts';
import { agentArguments, agentEnvironment, programsOf } from './sidecar.ts';

/** Where the sidecar's certificates lie, if nothing is said of `OUTPUT_CERTS`. */
const CERTIFICATES = '/etc/certs';
/** The socket by which the gateway gets them, beside the one of the sidecar's own agent. */
const CERT_SERVER_SOCKET = 'cert-server';
/** Agents of one pod share its address: each needs a port of its own for its status. */
const STATUS_PORTS = { envoy: 15_022, 'cert-server': 15_023 } as const;

/** What a container of a pod stands for that is an EnRoute gateway; undefined for a program that runs as it says. */
export function roleOf(
  { spec, labels }: Pick<DesiredPod, 'spec' | 'labels'>,
  container: Container,
): EnrouteRole | undefined {
  return isEnrouteGateway(spec, labels) ? enrouteRole(container) : undefined;
}

interface Parts {
  readonly facts: PodFacts;
  readonly injection: Injection;
  readonly around: PodSurroundings;
  readonly cwd: string;
  readonly graceMs: number;
  readonly onChange: () => void;
}

/**
 * The proxy of an EnRoute gateway, and what serves it the certificates that the sidecar has written: two agents of ours.
 * Where there is no sidecar the gateway gets a certificate of its own.
 */
export function enrouteContainer(role: 'envoy' | 'cert-server', container: Container, parts: Parts): RunningContainer {
  const { facts, injection, around, cwd, graceMs, onChange } = parts;
  const { addresses, agent, guard, logs, privileged, values } = around;
  const address = injection === 'none' ? addresses.pod : addresses.program;
  // To itself it is alone in the pod: what the sidecar listens on is at other addresses.
  const alone = { ...around, addresses: { pod: address, program: address, sidecar: address } };
  const own = agentEnvironment(facts, 'gateway', role === 'envoy' ? alone : { ...alone, publish: undefined });
  const special = enrouteEnvironment(role, {
    proxyConfig: own.PROXY_CONFIG ?? '{}',
    annotation: facts.pod.annotations['proxy.istio.io/config'],
    podIp: addresses.pod,
    injection,
    containers: facts.pod.spec.containers,
  });
  const env = containerEnvironment(container, { ...own, ...special }, facts, values);
  const httpGet = { path: '/healthz/ready', port: STATUS_PORTS[role] };
  const readinessProbe = { httpGet, timeoutSeconds: 3, periodSeconds: 15 };
  return new RunningContainer({
    process: {
      command: agent.command,
      args: agentArguments(facts, 'gateway', around),
      env,
      cwd,
      logFile: path.join(logs, `${container.name}.log`),
      restart: 'always',
      graceMs,
    },
    target: {
      address: addresses.pod,
      container: { name: container.name, image: container.image ?? '', readinessProbe },
      env,
      cwd,
      enter: [],
      port: (wanted) => podPort(wanted, privileged),
    },
    guard,
    onChange,
    inspect: () => undefined,
    explainEnd: () => undefined,
  });
}

/** What the agents of a gateway have in their environment that other agents do not. */
export function enrouteEnvironment(
  role: 'envoy' | 'cert-server',
  pod: {
    /** `PROXY_CONFIG` of the mesh, JSON. */
    readonly proxyConfig: string;
    /** The pod's `proxy.istio.io/config`, YAML. */
    readonly annotation: string | undefined;
    readonly podIp: string;
    readonly injection: Injection;
    readonly containers: readonly Container[];
  },
): Record<string, string> {
  const config = JSON.parse(pod.proxyConfig) as MeshDefaults;
  const isServed =
    pod.injection === 'sidecar' && pod.containers.some((container) => enrouteRole(container) === 'cert-server');
  const folder = outputCerts(pod.annotation) ?? config.proxyMetadata?.OUTPUT_CERTS ?? CERTIFICATES;
  return {
    INSTANCE_IP: pod.podIp,
    // The sidecar writes its own; these agents write none.
    OUTPUT_CERTS: '',
    PROXY_CONFIG: JSON.stringify({ ...config, statusPort: STATUS_PORTS[role], configPath: `./etc/enroute/${role}` }),
    ISTHMUS_AGENT_STATE: `./var/lib/enroute/${role}`,
    ...(role === 'envoy' && isServed && { WORKLOAD_IDENTITY_SOCKET_FILE: CERT_SERVER_SOCKET }),
    ...(role === 'cert-server' && certServerEnvironment(folder)),
  };
}

interface MeshDefaults {
  readonly proxyMetadata?: Readonly<Record<string, string>>;
}

/** An agent that has the files of `OUTPUT_CERTS` for its certificates, and serves them to another process. */
function certServerEnvironment(folder: string): Record<string, string> {
  const file = (name: string) => `${folder.replace(/\/+$/, '')}/${name}.pem`;
  return {
    DISABLE_ENVOY: 'true',
    FILE_MOUNTED_CERTS: 'true',
    PROV_CERT: '',
    ISTIO_META_TLS_CLIENT_CERT_CHAIN: file('cert-chain'),
    ISTIO_META_TLS_CLIENT_KEY: file('key'),
    ISTIO_META_TLS_CLIENT_ROOT_CERT: file('root-cert'),
    ISTHMUS_SDS_SOCKET: CERT_SERVER_SOCKET,
  };
}

/** `OUTPUT_CERTS` of the `proxyMetadata` in an annotation `proxy.istio.io/config`. */
function outputCerts(annotation: string | undefined): string | undefined {
  if (annotation === undefined) return undefined;
  const config = parseYaml(annotation, 'proxy.istio.io/config').documents[0]?.value;
  const { proxyMetadata } = (config ?? {}) as { readonly proxyMetadata?: Readonly<Record<string, unknown>> };
  const folder = proxyMetadata?.OUTPUT_CERTS;
  return typeof folder === 'string' && folder !== '' ? folder : undefined;
}

/** A container of EnRoute's chart whose work the control plane does: it is there when the gateway is. */
export class StandIn {
  readonly name: string;
  readonly #isReady: () => boolean;
  readonly #logFile: string;

  constructor(name: string, logFile: string, isReady: () => boolean) {
    this.name = name;
    this.#logFile = logFile;
    this.#isReady = isReady;
  }

  get ready(): boolean {
    return this.#isReady();
  }

  get fault(): undefined {
    return undefined;
  }

  /** The gateway says why it is not ready. */
  get notReadyBecause(): undefined {
    return undefined;
  }

  get status(): ProcessStatus {
    return {
      state: 'Running',
      pid: undefined,
      restarts: 0,
      startedAt: undefined,
      lastEnd: undefined,
      lastExitCode: undefined,
      logFile: this.#logFile,
      previousLogFile: this.#logFile,
    };
  }
}

/** The containers of a pod whose work the control plane does. */
export function standInsOf(
  pod: Pick<DesiredPod, 'spec' | 'labels'>,
  logs: string,
  programs: () => readonly RunningContainer[],
): StandIn[] {
  const isReady = () => programs().some((c) => c.ready && enrouteRole(c.target.container) === 'envoy');
  return programsOf(pod.spec).flatMap((container) => {
    const role = roleOf(pod, container);
    const elsewhere = role === 'control-plane' || role === 'counters';
    return elsewhere ? [new StandIn(container.name, path.join(logs, `${container.name}.log`), isReady)] : [];
  });
}
