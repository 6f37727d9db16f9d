import { defineKind } from '../definition.ts';
import { telemetrySchema } from './schema.ts';
import { validateTelemetry } from './validate.ts';

export const telemetryKind = defineKind({
  id: 'Telemetry',
  kind: 'Telemetry',
  apiVersions: ['telemetry.istio.io/v1', 'telemetry.istio.io/v1alpha1'],
  plural: 'telemetries',
  shortNames: ['telemetry'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: telemetrySchema,
  validate: validateTelemetry,
  columns: [],
});
