import type { ServiceSpec } from '../config/kinds/service/schema.ts';
import { matchesLabels } from '../config/labels.ts';
import type { ConfigObject } from '../config/object.ts';
import type { DesiredPod } from './pods/desired-pod.ts';

/** Ports at which others may ask a pod: those that its containers declare, and those that Services lead to it. */
export function servedPorts(
  { spec, labels }: Pick<DesiredPod, 'spec' | 'labels'>,
  services: readonly ConfigObject<ServiceSpec>[],
): number[] {
  const declared = spec.containers.flatMap(({ ports = [] }) => ports);
  const numberOf = (name: string) => declared.find((port) => port.name === name)?.containerPort;
  const led = services
    .filter(({ spec: { selector } }) => selector !== undefined && matchesLabels(selector, labels))
    .flatMap(({ spec: { ports = [] } }) => ports)
    .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    .flatMap(({ port, targetPort }) =>
      typeof targetPort === 'string' ? (numberOf(targetPort) ?? []) : targetPort || port,
    );
  return [...new Set([...declared.map(({ containerPort }) => containerPort), ...led])];
}
