import { defineKind } from '../definition.ts';
import { authorizationPolicySchema } from './schema.ts';
import { validateAuthorizationPolicy } from './validate.ts';

export const authorizationPolicyKind = defineKind({
  id: 'AuthorizationPolicy',
  kind: 'AuthorizationPolicy',
  apiVersions: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
  plural: 'authorizationpolicies',
  shortNames: ['ap'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: authorizationPolicySchema,
  validate: validateAuthorizationPolicy,
  columns: [{ name: 'ACTION', value: (o) => o.spec.action ?? '' }],
});
