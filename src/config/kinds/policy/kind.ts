import { defineKind } from '../definition.ts';
import { policySchema } from './schema.ts';
import { validatePolicy } from './validate.ts';

export const policyKind = defineKind({
  id: 'Policy',
  kind: 'Policy',
  apiVersions: ['authentication.istio.io/v1alpha1'],
  plural: 'policies',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: policySchema,
  validate: validatePolicy,
  columns: [],
});
