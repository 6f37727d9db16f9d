import { defineKind } from '../definition.ts';
import { validateFilter } from '../shared/enroute-filters.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { globalConfigSchema } from './schema.ts';

export const globalConfigKind = defineKind({
  id: 'GlobalConfig',
  kind: 'GlobalConfig',
  apiVersions: [ENROUTE_V1],
  plural: 'globalconfigs',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: globalConfigSchema,
  validate: ({ spec }, report) => validateFilter(spec.type, spec.config, ['global'], report.at('spec')),
  columns: [{ name: 'TYPE', value: ({ spec }) => spec.type ?? '' }],
});
