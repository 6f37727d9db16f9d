import { defineKind } from '../definition.ts';
import { trafficExtensionSchema } from './schema.ts';
import { validateTrafficExtension } from './validate.ts';

export const trafficExtensionKind = defineKind({
  id: 'TrafficExtension',
  kind: 'TrafficExtension',
  apiVersions: ['extensions.istio.io/v1alpha1'],
  plural: 'trafficextensions',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: trafficExtensionSchema,
  validate: validateTrafficExtension,
  columns: [],
});
