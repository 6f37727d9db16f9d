import { defineKind } from '../definition.ts';
import { sidecarSchema } from './schema.ts';
import { validateSidecar } from './validate.ts';

export const sidecarKind = defineKind({
  id: 'Sidecar',
  kind: 'Sidecar',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'sidecars',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: sidecarSchema,
  validate: validateSidecar,
  columns: [],
});
