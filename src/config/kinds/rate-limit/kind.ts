import { defineKind } from '../definition.ts';
import { rateLimitSchema } from './schema.ts';
import { validateRateLimit } from './validate.ts';

export const rateLimitKind = defineKind({
  id: 'RateLimit',
  kind: 'RateLimit',
  apiVersions: ['isthmus.dev/v1alpha1'],
  plural: 'ratelimits',
  shortNames: ['rl'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: rateLimitSchema,
  validate: validateRateLimit,
  columns: [
    {
      name: 'LOCAL',
      value: ({ spec: { local } }) => (local === undefined ? '' : `${local.requests}/${local.unit}`),
    },
    { name: 'SHARED', value: ({ spec: { shared } }) => shared?.domain ?? '' },
  ],
});
