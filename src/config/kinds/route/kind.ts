import { defineKind } from '../definition.ts';
import { routeSchema } from './schema.ts';
import { validateRoute } from './validate.ts';

export const routeKind = defineKind({
  id: 'Route',
  kind: 'Route',
  apiVersions: ['route.openshift.io/v1'],
  plural: 'routes',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  // It may have the key of a certificate.
  confidential: true,
  schema: routeSchema,
  validate: validateRoute,
  columns: [
    { name: 'HOST/PORT', value: ({ spec }) => spec.host ?? '' },
    { name: 'PATH', value: ({ spec }) => spec.path ?? '' },
    {
      name: 'SERVICES',
      value: ({ spec }) => [spec.to, ...(spec.alternateBackends ?? [])].map((b) => b.name).join(','),
    },
    { name: 'PORT', value: ({ spec }) => String(spec.port?.targetPort ?? '<all>') },
    { name: 'TERMINATION', value: ({ spec }) => spec.tls?.termination ?? '' },
    { name: 'WILDCARD', value: ({ spec }) => spec.wildcardPolicy || 'None' },
  ],
});
