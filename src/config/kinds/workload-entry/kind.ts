import { defineKind } from '../definition.ts';
import { workloadEntrySchema } from './schema.ts';
import { validateWorkloadEntry } from './validate.ts';

export const workloadEntryKind = defineKind({
  id: 'WorkloadEntry',
  kind: 'WorkloadEntry',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'workloadentries',
  shortNames: ['we'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: workloadEntrySchema,
  validate: validateWorkloadEntry,
  columns: [{ name: 'ADDRESS', afterAge: true, value: (o) => o.spec.address ?? '' }],
});
