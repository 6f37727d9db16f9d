import { defineKind } from '../definition.ts';
import { serviceAccountSchema } from './schema.ts';

export const serviceAccountKind = defineKind({
  id: 'ServiceAccount',
  kind: 'ServiceAccount',
  apiVersions: ['v1'],
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  layout: 'body',
  unknownFields: 'warning',
  schema: serviceAccountSchema,
  columns: [{ name: 'SECRETS', value: (o) => String(Array.isArray(o.spec.secrets) ? o.spec.secrets.length : 0) }],
});
