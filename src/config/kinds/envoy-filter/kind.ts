import { defineKind } from '../definition.ts';
import { envoyFilterSchema } from './schema.ts';
import { validateEnvoyFilter } from './validate.ts';

export const envoyFilterKind = defineKind({
  id: 'EnvoyFilter',
  kind: 'EnvoyFilter',
  apiVersions: ['networking.istio.io/v1alpha3'],
  plural: 'envoyfilters',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: envoyFilterSchema,
  validate: validateEnvoyFilter,
  columns: [],
});
