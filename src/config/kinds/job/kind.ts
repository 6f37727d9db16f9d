import { defineKind } from '../definition.ts';
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
  columns: [{ name: 'COMPLETIONS', value: (o) => String(o.spec.completions ?? 1) }],
});
