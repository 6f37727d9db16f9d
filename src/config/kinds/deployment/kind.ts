import { defineKind } from '../definition.ts';
import { containerColumns, countColumn, readyColumn, selectorColumn } from '../shared/workload-columns.ts';
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
    readyColumn,
    countColumn('UP-TO-DATE', 'updatedReplicas'),
    countColumn('AVAILABLE', 'availableReplicas'),
    ...containerColumns,
    selectorColumn,
  ],
});
