import { defineKind } from '../definition.ts';
import { validateFilter } from '../shared/enroute-filters.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { httpFilterSchema } from './schema.ts';

export const httpFilterKind = defineKind({
  id: 'HttpFilter',
  kind: 'HttpFilter',
  apiVersions: [ENROUTE_V1],
  plural: 'httpfilters',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: httpFilterSchema,
  validate: ({ spec }, report) =>
    validateFilter(
      spec.type,
      spec.httpFilterConfig?.config,
      ['gateway', 'host'],
      report.at('spec'),
      'httpFilterConfig',
    ),
  columns: [{ name: 'TYPE', value: ({ spec }) => spec.type ?? '' }],
});
