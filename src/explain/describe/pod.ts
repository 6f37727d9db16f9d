import { kubernetesProtocol } from '../../registry/protocol.ts';
import { nameIn, type Pod, type Service } from './subject.ts';

const PROXY_UID = 1337;
/** Where a proxy has its metrics: the port that injection declares of it. */
const METRICS_PORT = 15090;
const REVISION = 'istio.io/rev';
const PROXY_CONTAINERS: ReadonlySet<string> = new Set(['istio-proxy', 'istio-operator']);
const REQUIREMENTS = 'https://istio.io/latest/docs/ops/deployment/application-requirements/';
const NAME_LABELS = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app'];
const REVISION_LABELS = ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version'];

/** What a pod is, and what of it is not as the mesh needs it. */
export function describePod(pod: Pod, namespace: string, ignoreUnmeshed: boolean): string[] {
  const { object, phase, containers } = pod;
  const { labels, annotations } = object.metadata;
  const name = nameIn(namespace, object);
  const own = object.spec.containers ?? [];
  const reserved = 'WARNING: User ID (UID) 1337 is reserved for the sidecar proxy.';
  const lines = own
    .filter((c) => !PROXY_CONTAINERS.has(c.name ?? '') && userOf(c.securityContext) === PROXY_UID)
    .map(() => reserved);
  const ports = own.flatMap(({ name: container, ports: declared = [] }) =>
    declared.map(({ containerPort, protocol = 'TCP' }) => {
      return `${containerPort}${protocol === 'TCP' ? '' : `/${protocol}`} (${container})`;
    }),
  );
  const hasProxy = isMeshed(pod);
  const metrics = `${METRICS_PORT} (istio-proxy)`;
  if (hasProxy && !ports.includes(metrics)) ports.push(metrics);
  const revision = annotations[REVISION] ?? labels[REVISION] ?? (hasProxy ? 'default' : '');
  lines.push(`Pod: ${name}`, `   Pod Revision: ${revision}`);
  lines.push(ports.length > 0 ? `   Pod Ports: ${ports.join(', ')}` : '   Pod does not expose ports');
  if (phase !== 'Running') return [...lines, `   Pod is not Running (${phase})`];
  for (const container of containers)
    if (!container.ready) lines.push(`WARNING: Pod ${name} Container ${container.name} NOT READY`);
  if (ignoreUnmeshed) return lines;
  if (!hasProxy) return [...lines, `WARNING: ${name} is not part of mesh; no Istio sidecar`];
  if (userOf(object.spec.securityContext) === PROXY_UID) lines.push(`   ${reserved}`);
  const suggest = (what: string) =>
    `Suggestion: add required service ${what} label for Istio telemetry. See ${REQUIREMENTS}.`;
  if (!NAME_LABELS.some((label) => label in labels)) lines.push(suggest('name'));
  if (!REVISION_LABELS.some((label) => label in labels)) lines.push(suggest('revision'));
  return lines;
}

/** Whether a proxy stands beside the programs of a pod, or in their place. */
export function isMeshed({ containers }: Pod): boolean {
  return containers.some(({ name }) => name === 'istio-proxy');
}

function userOf(context: unknown): unknown {
  return (context as { readonly runAsUser?: unknown } | undefined)?.runAsUser;
}

/** A service with its ports, and the ports of a pod behind them. */
export function describeService(service: Service, pod: Pod, namespace: string): string[] {
  const ports = (service.spec.ports ?? []).flatMap((port) => {
    if ((port.protocol ?? 'TCP') !== 'TCP') return [];
    const target = podPortOf(port, pod);
    if (target === undefined) return [`   no suitable port for manifest: ${pod.object.metadata.uid ?? ''}`];
    return [`   Port: ${port.name ?? ''} ${port.port}/${protocolOf(port)} targets pod port ${target}`];
  });
  return [`Service: ${nameIn(namespace, service)}`, ...ports];
}

type ServicePort = NonNullable<Service['spec']['ports']>[number];

/** The port of a pod that a service's port leads to; undefined if it goes by a name that no container has. */
export function podPortOf({ port, targetPort }: ServicePort, { object }: Pod): number | undefined {
  if (targetPort === undefined || targetPort === 0) return port;
  if (typeof targetPort === 'number') return targetPort;
  const named = (object.spec.containers ?? [])
    .flatMap(({ ports = [] }) => ports)
    .find(({ name, protocol = 'TCP' }) => name === targetPort && protocol === 'TCP');
  return named?.containerPort;
}

function protocolOf(port: ServicePort): string {
  if (!port.name && port.appProtocol === undefined) return 'auto-detect';
  const protocol = kubernetesProtocol(port);
  return protocol === 'Unsupported' ? 'UnsupportedProtocol' : protocol;
}
