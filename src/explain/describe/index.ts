import { matchesLabels } from '../../config/labels.ts';
import { PeerAuthenticationIndex } from '../../translate/index/peer-authentication.ts';
import { describeDestinationRule, subsetsOf } from './destination-rule.ts';
import { describeIngress } from './ingress.ts';
import { describePod, describeService, isMeshed, podPortOf } from './pod.ts';
import {
  type AskProxy,
  find,
  type MeshObjects,
  nameIn,
  type Pod,
  type ProxyFacts,
  SEPARATOR,
  type Service,
  stale,
} from './subject.ts';
import { describeVirtualService } from './virtual-service.ts';

export interface DescribeOptions {
  /** Objects of other namespaces are named with theirs. */
  readonly namespace: string;
  /** Says nothing of pods without a proxy. */
  readonly ignoreUnmeshed: boolean;
}

type Labels = Readonly<Record<string, string>>;

/** What `istioctl experimental describe pod` prints: what of the mesh's configuration has to do with a pod. */
export async function explainPod(
  pod: Pod,
  mesh: MeshObjects,
  ask: AskProxy,
  options: DescribeOptions,
): Promise<string[]> {
  const { metadata } = pod.object;
  const services = mesh.services.filter(
    ({ metadata: { namespace }, spec: { selector = {} } }) =>
      namespace === metadata.namespace && !isEmpty(selector) && matchesLabels(selector, metadata.labels),
  );
  const lines = describePod(pod, options.namespace, options.ignoreUnmeshed);
  if (services.length === 0 && !options.ignoreUnmeshed) {
    const why = 'see https://istio.io/docs/setup/kubernetes/additional-setup/requirements/';
    lines.push(`Warning: No Kubernetes Services select pod ${nameIn(options.namespace, pod.object)} (${why} )`);
  }
  lines.push(SEPARATOR);
  if (isMeshed(pod)) lines.push(...describeServices(services, pod, [metadata.labels], mesh, await ask(pod), options));
  lines.push(SEPARATOR, ...describePeerAuthentication(pod, mesh));
  return [...lines, ...(await describeIngress(services, [metadata.labels], mesh, ask, options.namespace))];
}

/** What `istioctl experimental describe service` prints. */
export async function explainService(
  service: Service,
  mesh: MeshObjects,
  ask: AskProxy,
  options: DescribeOptions,
): Promise<string[]> {
  const { selector = {} } = service.spec;
  const name = JSON.stringify(nameIn(options.namespace, service));
  const pods = mesh.pods.filter(
    ({ object: { metadata } }) =>
      metadata.namespace === service.metadata.namespace &&
      !isEmpty(selector) &&
      matchesLabels(selector, metadata.labels),
  );
  if (pods.length === 0) return [`Service ${name} has no pods.`];
  const lines: string[] = [];
  const usable = pods.filter((pod) => {
    const podName = nameIn(options.namespace, pod.object);
    const proxy = pod.containers.find((container) => container.name === 'istio-proxy');
    if (pod.phase !== 'Running') lines.push(`   Pod is not Running (${pod.phase})`);
    else if (proxy === undefined) lines.push(`Pod ${podName}: no container "istio-proxy" in pod`);
    else if (!proxy.ready) lines.push(`WARNING: Pod ${podName} Container istio-proxy NOT READY`);
    else return true;
    return false;
  });
  const [first] = usable;
  if (first === undefined) {
    lines.push(`Service ${name} has no Istio pods.  (${pods.length} pods in service).`);
    return [...lines, 'Redeploy with Istio automatic sidecar injection.'];
  }
  const labels = usable.map(({ object }) => object.metadata.labels);
  lines.push(...describeServices([service], first, labels, mesh, await ask(first), options));
  return [...lines, ...(await describeIngress([service], labels, mesh, ask, options.namespace))];
}

function describeServices(
  services: readonly Service[],
  pod: Pod,
  labels: readonly Labels[],
  mesh: MeshObjects,
  proxy: ProxyFacts,
  { namespace }: DescribeOptions,
): string[] {
  return services.flatMap((service, i) => {
    const ports = service.spec.ports ?? [];
    const several = ports.length > 1;
    const ofPorts = ports.flatMap((port) => {
      const ruleReference = proxy.destinationRule(service, port.port);
      const rule = find(mesh.destinationRules, ruleReference);
      const subsets = subsetsOf(rule, labels);
      const lines: string[] = [];
      if (rule !== undefined) lines.push(...describeDestinationRule(rule, subsets, namespace));
      const routeReference = proxy.virtualService(service, port.port);
      const route = find(mesh.virtualServices, routeReference);
      if (route !== undefined) lines.push(...describeVirtualService(route, { service, subsets, rule }, namespace));
      const policies = proxy.policies(podPortOf(port, pod) ?? port.port);
      return [
        ...(several ? [`${port.port}:`] : []),
        ...(ruleReference !== undefined && rule === undefined ? [stale('destination rule', ruleReference)] : []),
        ...(routeReference !== undefined && route === undefined ? [stale('virtual service', routeReference)] : []),
        ...lines.map((line) => (several ? `   ${line}` : line)),
        ...(policies.length > 0 ? [`${several ? `${port.port} ` : ''}RBAC policies: ${policies.join(', ')}`] : []),
      ];
    });
    return [...(i > 0 ? [SEPARATOR] : []), ...describeService(service, pod, namespace), ...ofPorts];
  });
}

function describePeerAuthentication({ object: { metadata } }: Pod, mesh: MeshObjects): string[] {
  const { peerAuthentications, rootNamespace } = mesh;
  const { namespace, labels } = metadata;
  const { mode, ports } = new PeerAuthenticationIndex(peerAuthentications, rootNamespace).for({ namespace, labels });
  const lines = ['Effective PeerAuthentication:', `   Workload mTLS mode: ${mode}`];
  if (ports.size > 0) lines.push('   Port Level mTLS mode:');
  for (const [port, own] of [...ports].sort(([a], [b]) => a - b)) lines.push(`      ${port}: ${own}`);
  const applied = [rootNamespace, ...(namespace === rootNamespace ? [] : [namespace])].flatMap((from) =>
    peerAuthentications.filter(
      ({ metadata: policy, spec }) =>
        policy.namespace === from && matchesLabels(spec.selector?.matchLabels ?? {}, labels),
    ),
  );
  if (applied.length === 0) return lines;
  const names = applied.map(({ metadata: policy }) => `${policy.name}.${policy.namespace}`);
  return [...lines, 'Applied PeerAuthentication:', `   ${names.join(', ')}`];
}

function isEmpty(selector: Labels): boolean {
  return Object.keys(selector).length === 0;
}
