import { defineKind, labelsColumn } from '../definition.ts';
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
