import { defineKind } from '../definition.ts';
import { workloadGroupSchema } from './schema.ts';
import { validateWorkloadGroup } from './validate.ts';

export const workloadGroupKind = defineKind({
  id: 'WorkloadGroup',
  kind: 'WorkloadGroup',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'workloadgroups',
  shortNames: ['wg'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: workloadGroupSchema,
  validate: validateWorkloadGroup,
  columns: [],
});
