import { defineKind } from '../definition.ts';
import { policySchema } from '../policy/schema.ts';
import { validateMeshPolicy } from '../policy/validate.ts';

/** authentication.istio.io/v1alpha1 MeshPolicy: the Policy of services whose namespace has none. */
export const meshPolicyKind = defineKind({
  id: 'MeshPolicy',
  kind: 'MeshPolicy',
  apiVersions: ['authentication.istio.io/v1alpha1'],
  plural: 'meshpolicies',
  namespaced: false,
  layout: 'spec',
  unknownFields: 'error',
  schema: policySchema,
  validate: validateMeshPolicy,
  columns: [],
});
