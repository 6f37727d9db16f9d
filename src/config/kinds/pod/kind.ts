import type { ConfigObject } from '../../object.ts';
import { defineKind, statusOf } from '../definition.ts';
import { type PodSpec, podSchema } from './schema.ts';

export const podKind = defineKind({
  id: 'Pod',
  kind: 'Pod',
  apiVersions: ['v1'],
  plural: 'pods',
  shortNames: ['po'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: podSchema,
  columns: [
    { name: 'READY', value: readyContainers },
    { name: 'STATUS', value: (o) => podState(o, statusOf<PodStatus>(o)) },
    {
      name: 'RESTARTS',
      value: (o) =>
        String((statusOf<PodStatus>(o).containerStatuses ?? []).reduce((sum, c) => sum + (c.restartCount ?? 0), 0)),
    },
    { name: 'IP', wide: true, value: (o) => statusOf<PodStatus>(o).podIP ?? '<none>' },
    { name: 'NODE', wide: true, value: (o) => o.spec.nodeName ?? '<none>' },
    { name: 'NOMINATED NODE', wide: true, value: () => '<none>' },
    { name: 'READINESS GATES', wide: true, value: () => '<none>' },
  ],
});

interface PodStatus {
  readonly phase: string;
  /** What is under STATUS, if it is not the phase. */
  readonly reason: string;
  readonly podIP: string;
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses: readonly { readonly ready?: boolean; readonly restartCount?: number }[];
}

function readyContainers(pod: ConfigObject<PodSpec>): string {
  const { containerStatuses, conditions = [] } = statusOf<PodStatus>(pod);
  if (containerStatuses) return `${containerStatuses.filter((c) => c.ready).length}/${containerStatuses.length}`;
  const size = pod.spec.containers.length;
  return `${conditions.some((c) => c.type === 'Ready' && c.status === 'True') ? size : 0}/${size}`;
}

function podState(pod: ConfigObject, { phase = 'Pending', reason }: Partial<PodStatus>): string {
  const metadata = pod.raw.metadata as { readonly deletionTimestamp?: string };
  return metadata.deletionTimestamp === undefined ? (reason ?? phase) : 'Terminating';
}
