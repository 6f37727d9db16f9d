import { type Column, labelsColumn, statusOf } from '../definition.ts';
import type { PodTemplate } from './pod-spec.ts';
import type { LabelSelector } from './selector.ts';

/** The part of the `status` of a workload that columns show. */
export interface WorkloadStatus {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly updatedReplicas: number;
  readonly availableReplicas: number;
}

interface WorkloadSpec {
  readonly replicas?: number;
  readonly selector?: LabelSelector;
  readonly template?: PodTemplate;
}

/** `1/2`: how many pods are ready, and wanted. */
export const readyColumn: Column<WorkloadSpec> = {
  name: 'READY',
  value: (o) => `${statusOf<WorkloadStatus>(o).readyReplicas ?? 0}/${o.spec.replicas ?? 1}`,
};

/** A column that is a number of the status. */
export function countColumn(name: string, field: keyof WorkloadStatus): Column<unknown> {
  return { name, value: (o) => String(statusOf<WorkloadStatus>(o)[field] ?? 0) };
}

/** CONTAINERS and IMAGES of `-o wide`. */
export const containerColumns: readonly Column<WorkloadSpec>[] = [
  {
    name: 'CONTAINERS',
    wide: true,
    value: (o) =>
      containersOf(o.spec)
        .map(({ name }) => name)
        .join(','),
  },
  {
    name: 'IMAGES',
    wide: true,
    value: (o) =>
      containersOf(o.spec)
        .map(({ image }) => image ?? '')
        .join(','),
  },
];

export const selectorColumn: Column<WorkloadSpec> = {
  name: 'SELECTOR',
  wide: true,
  value: (o) => labelsColumn(o.spec.selector?.matchLabels),
};

function containersOf({ template }: WorkloadSpec) {
  return template?.spec?.containers ?? [];
}
