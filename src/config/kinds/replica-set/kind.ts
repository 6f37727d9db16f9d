import { defineKind, labelsColumn } from '../definition.ts';
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
    { name: 'REPLICAS', value: (o) => String(o.spec.replicas ?? 1) },
    {
      name: 'CONTAINERS',
      wide: true,
      value: (o) => (o.spec.template.spec?.containers ?? []).map((c) => c.name).join(','),
    },
    { name: 'SELECTOR', wide: true, value: (o) => labelsColumn(o.spec.selector?.matchLabels) },
  ],
});
