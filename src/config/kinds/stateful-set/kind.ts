import { defineKind } from '../definition.ts';
import { containerColumns, readyColumn } from '../shared/workload-columns.ts';
import { statefulSetSchema } from './schema.ts';
import { validateStatefulSet } from './validate.ts';

export const statefulSetKind = defineKind({
  id: 'StatefulSet',
  kind: 'StatefulSet',
  apiVersions: ['apps/v1', 'apps/v1beta2', 'apps/v1beta1'],
  plural: 'statefulsets',
  shortNames: ['sts'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: statefulSetSchema,
  validate: validateStatefulSet,
  columns: [readyColumn, ...containerColumns],
});
