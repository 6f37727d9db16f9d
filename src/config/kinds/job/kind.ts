import { defineKind, statusOf } from '../definition.ts';
import { containerColumns, selectorColumn } from '../shared/workload-columns.ts';
import { jobSchema } from './schema.ts';

export const jobKind = defineKind({
  id: 'Job',
  kind: 'Job',
  apiVersions: ['batch/v1'],
  plural: 'jobs',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: jobSchema,
  columns: [
    { name: 'STATUS', value: (o) => jobState(statusOf<JobStatus>(o)) },
    { name: 'COMPLETIONS', value: (o) => `${statusOf<JobStatus>(o).succeeded ?? 0}/${o.spec.completions ?? 1}` },
    { name: 'DURATION', value: () => '' },
    ...containerColumns,
    selectorColumn,
  ],
});

interface JobStatus {
  readonly succeeded: number;
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
}

function jobState({ conditions = [] }: Partial<JobStatus>): string {
  const is = (type: string) => conditions.some((c) => c.type === type && c.status === 'True');
  return is('Complete') ? 'Complete' : is('Failed') ? 'Failed' : is('Suspended') ? 'Suspended' : 'Running';
}
