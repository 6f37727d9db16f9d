import type { PodSpec } from '../../config/kinds/pod/schema.ts';
import type { PolicyTarget } from '../../config/kinds/policy/schema.ts';
import type { ServicePort } from '../../config/kinds/service/schema.ts';
import { matchesLabels } from '../../config/labels.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';

/** The workloads behind a service that a policy names. */
export interface SelectedWorkloads {
  readonly labels: Readonly<Record<string, string>>;
  /** Ports of the workloads; undefined for all of them. */
  readonly ports?: readonly number[];
}

/** The workloads of a target, since what took the place of targets selects workloads; or why there are none. */
export function selectTarget(
  config: Pick<ConfigSnapshot, 'get' | 'list'>,
  namespace: string,
  target: PolicyTarget,
): SelectedWorkloads | string {
  const service = config.get('Service', namespace, target.name);
  if (service === undefined) return `names no service of the namespace: ${target.name}`;
  const { selector, ports = [] } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0) {
    return `names a service without a selector, whose workloads are not known: ${target.name}`;
  }
  if (target.ports === undefined || target.ports.length === 0) return { labels: selector };
  const wanted = ports.filter((port) =>
    target.ports?.some(({ number, name }) => (name === undefined ? port.port === number : port.name === name)),
  );
  if (wanted.length < target.ports.length) return `names ports that ${target.name} does not have`;
  const pods = config.list('Pod', namespace).filter(({ metadata }) => matchesLabels(selector, metadata.labels));
  return { labels: selector, ports: [...new Set(wanted.flatMap((port) => workloadPorts(port, pods)))] };
}

function workloadPorts({ port, targetPort }: ServicePort, pods: readonly ConfigObject<PodSpec>[]): number[] {
  if (typeof targetPort !== 'string') return [targetPort || port];
  if (/^\d+$/.test(targetPort)) return [Number(targetPort)];
  return pods.flatMap(({ spec }) =>
    spec.containers.flatMap((container) =>
      (container.ports ?? []).flatMap(({ name, containerPort }) => (name === targetPort ? [containerPort] : [])),
    ),
  );
}
