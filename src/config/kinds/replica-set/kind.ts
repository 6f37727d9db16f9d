import { defineKind } from '../definition.ts';
import { containerColumns, countColumn, selectorColumn } from '../shared/workload-columns.ts';
import { replicaSetSchema } from './schema.ts';
import { validateReplicaSet } from './validate.ts';

export const replicaSetKind = defineKind({
  id: 'ReplicaSet',
  kind: 'ReplicaSet',
  apiVersions: ['apps/v1', 'apps/v1beta2', 'extensions/v1beta1'],
  plural: 'replicasets',
  shortNames: ['rs'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: replicaSetSchema,
  validate: validateReplicaSet,
  columns: [
    { name: 'DESIRED', value: (o) => String(o.spec.replicas ?? 1) },
    countColumn('CURRENT', 'replicas'),
    countColumn('READY', 'readyReplicas'),
    ...containerColumns,
    selectorColumn,
  ],
});
