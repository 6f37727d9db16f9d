import { defineKind, labelsColumn } from '../definition.ts';
import { deploymentSchema } from './schema.ts';
import { validateDeployment } from './validate.ts';

export const deploymentKind = defineKind({
  id: 'Deployment',
  kind: 'Deployment',
  apiVersions: ['apps/v1', 'apps/v1beta2', 'apps/v1beta1', 'extensions/v1beta1'],
  plural: 'deployments',
  shortNames: ['deploy'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: deploymentSchema,
  validate: validateDeployment,
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
