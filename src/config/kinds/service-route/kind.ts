import { defineKind } from '../definition.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { serviceRouteSchema } from './schema.ts';
import { validateServiceRoute } from './validate.ts';

export const serviceRouteKind = defineKind({
  id: 'ServiceRoute',
  kind: 'ServiceRoute',
  apiVersions: [ENROUTE_V1],
  plural: 'serviceroutes',
  shortNames: ['svcroute', 'svcroutes'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: serviceRouteSchema,
  validate: validateServiceRoute,
  columns: [{ name: 'FQDN', value: ({ spec }) => spec.fqdn }],
});
