import { defineKind } from '../definition.ts';
import { validateFilter } from '../shared/enroute-filters.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { routeFilterSchema } from './schema.ts';

export const routeFilterKind = defineKind({
  id: 'RouteFilter',
  kind: 'RouteFilter',
  apiVersions: [ENROUTE_V1],
  plural: 'routefilters',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: routeFilterSchema,
  validate: ({ spec }, report) =>
    validateFilter(spec.type, spec.routeFilterConfig?.config, ['route'], report.at('spec'), 'routeFilterConfig'),
  columns: [{ name: 'TYPE', value: ({ spec }) => spec.type ?? '' }],
});
