import { defineKind } from '../definition.ts';
import { configMapSchema } from './schema.ts';
import { validateConfigMap } from './validate.ts';

export const configMapKind = defineKind({
  id: 'ConfigMap',
  kind: 'ConfigMap',
  apiVersions: ['v1'],
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  layout: 'body',
  unknownFields: 'warning',
  schema: configMapSchema,
  validate: validateConfigMap,
  columns: [
    {
      name: 'DATA',
      value: (o) => String(Object.keys(o.spec.data ?? {}).length + Object.keys(o.spec.binaryData ?? {}).length),
    },
  ],
});
