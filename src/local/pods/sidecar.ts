import path from 'node:path';
import { POD_NETWORK_VARIABLE, type PodNetwork } from '../../agent/pod-network.ts';
import type { Container, PodSpec } from '../../config/kinds/shared/pod-spec.ts';
import { graceMsOf } from './desired-pod.ts';
import { containerEnvironment, type PodFacts } from './environment.ts';
import { HOSTS_FILE } from './hosts-file.ts';
import { type Injection, PROXY_CONTAINER } from './injection.ts';
import type { PodSurroundings } from './pod-surroundings.ts';
import { appProbers, proxyReadiness, scrapeAnnotations } from './sidecar-annotations.ts';

const READY_PATH = '/healthz/ready';
const READY_PORT = 15021;
/** Where Istio has always had them, and where configurations name them. */
const CERTIFICATES = '/etc/certs';

/** The container that Istio's injector would add, as far as it is not a process. */
const PROXY: Container = {
  name: PROXY_CONTAINER,
  readinessProbe: {
    httpGet: { path: READY_PATH, port: READY_PORT },
    timeoutSeconds: 3,
    periodSeconds: 15,
    failureThreshold: 4,
  },
};

/** The proxy's container in a pod with these annotations. */
export function proxyContainer(annotations: Readonly<Record<string, string>>): Container {
  return { ...PROXY, readinessProbe: proxyReadiness(PROXY.readinessProbe!, annotations) };
}

/** The containers of a pod that are its own programs. */
export function programsOf(spec: PodSpec): readonly Container[] {
  return spec.containers.filter(({ name }) => name !== PROXY_CONTAINER);
}

/** The arguments with which the agent of a pod is started, with what annotations say of its logs. */
export function agentArguments({ pod }: PodFacts, injection: Injection, around: PodSurroundings): string[] {
  const { annotations, namespace } = pod;
  const role = injection === 'gateway' ? 'router' : 'sidecar';
  const args = [...around.agent.args, role, '--domain', `${namespace}.svc.${around.domain}`];
  const level = annotations['sidecar.istio.io/logLevel'];
  if (level) args.push('--proxyLogLevel', level);
  const componentLevel = annotations['sidecar.istio.io/componentLogLevel'];
  if (componentLevel) args.push('--proxyComponentLogLevel', componentLevel);
  const agentLevel = annotations['sidecar.istio.io/agentLogLevel'];
  if (agentLevel) args.push('--log_output_level', agentLevel);
  return args;
}

/** Whether somebody has mounted certificates where a workload otherwise finds those that the mesh gives it. */
function hasOwnCertificates({ containers }: PodSpec): boolean {
  return containers.some(({ volumeMounts = [] }) =>
    volumeMounts.some(({ mountPath }) => mountPath.replace(/\/+$/, '') === CERTIFICATES),
  );
}

/** The mesh's default, under what the mesh or an annotation of the pod says of `OUTPUT_CERTS`. */
function withOutputCertificates(proxyConfig = '{}'): string {
  const config = JSON.parse(proxyConfig) as { readonly proxyMetadata?: Readonly<Record<string, string>> };
  return JSON.stringify({ ...config, proxyMetadata: { OUTPUT_CERTS: `.${CERTIFICATES}`, ...config.proxyMetadata } });
}

/** The variables by which the agent of a pod learns what it is: those of Istio's injector, and the pod's addresses. */
export function agentEnvironment(
  facts: PodFacts,
  injection: Injection,
  around: PodSurroundings,
): Record<string, string> {
  const { addresses, space, podPrefix, privileged, publish, outside, folder, agentEnv, outer } = around;
  const { namespace, name, owner, spec } = facts.pod;
  const { pod, program, sidecar } = addresses;
  const hostsFile = path.join(folder, HOSTS_FILE);
  const network: PodNetwork = {
    ...{ pod, program, sidecar, podPrefix, privileged, outside, hostsFile },
    // What is reached from outside is a gateway, never a sidecar beside one.
    publish: injection === 'gateway' ? publish : undefined,
    ...(space.inside && { inside: space.inside }),
  };
  const ports = spec.containers.flatMap((c) => c.ports ?? []);
  const kind = owner === undefined ? 'pods' : `${owner.kind.toLowerCase()}s`;
  const api = owner === undefined ? 'v1' : owner.kind === 'Job' ? 'batch/v1' : 'apps/v1';
  const env: Record<string, string> = {
    ...agentEnv,
    POD_NAME: name,
    POD_NAMESPACE: namespace,
    INSTANCE_IP: pod,
    HOST_IP: '127.0.0.1',
    // Connections that are left are closed by the agent, at once and in order, rather than when it is killed.
    ISTHMUS_DRAIN_LIMIT: `${Math.round(graceMsOf(facts.pod) * 0.9)}ms`,
    SERVICE_ACCOUNT: facts.serviceAccount,
    ISTIO_META_WORKLOAD_NAME: owner?.name ?? name,
    ISTIO_META_OWNER: `kubernetes://apis/${api}/namespaces/${namespace}/${kind}/${owner?.name ?? name}`,
    ISTIO_META_POD_PORTS: JSON.stringify(ports.map((p) => ({ ...p, protocol: p.protocol ?? 'TCP' }))),
    ISTIO_META_APP_CONTAINERS: programsOf(spec)
      .map((c) => c.name)
      .join(','),
    ...(space.hasProxy ? space.agentEnv : { [POD_NETWORK_VARIABLE]: JSON.stringify(network) }),
  };
  const probers = appProbers(programsOf(spec), facts.pod.annotations);
  if (probers !== undefined) env.ISTIO_KUBE_APP_PROBERS = probers;
  const scrape = scrapeAnnotations(facts.pod.annotations);
  if (scrape !== undefined) env.ISTIO_PROMETHEUS_ANNOTATIONS = scrape;
  if (space.captures) {
    env.ISTIO_META_INTERCEPTION_MODE = space.captures;
    env.ISTIO_META_DNS_CAPTURE = 'true';
    env.ISTIO_META_DNS_AUTO_ALLOCATE = 'true';
  } else if (injection === 'sidecar') {
    env.ISTIO_META_INTERCEPTION_MODE = 'NONE';
    env.ISTIO_META_ISTHMUS_CAPTURE = 'explicit';
  } else env.ISTIO_META_UNPRIVILEGED_POD = 'true';
  if (!hasOwnCertificates(spec)) env.PROXY_CONFIG = withOutputCertificates(env.PROXY_CONFIG);
  for (const variable of ['PATH', 'HOME', 'TZ', 'LANG']) if (outer[variable]) env[variable] = outer[variable];
  const proxyContainer = spec.containers.find((c) => c.name === PROXY_CONTAINER);
  if (proxyContainer) return containerEnvironment(proxyContainer, env, facts, around.values);
  return env;
}
