import { defineKind } from '../definition.ts';
import { authorizationPolicySchema } from './schema.ts';

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
  columns: [{ name: 'ACTION', value: (o) => o.spec.action ?? '' }],
});
