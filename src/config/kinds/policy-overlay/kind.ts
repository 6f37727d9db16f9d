import { defineKind } from '../definition.ts';
import { validateFilter } from '../shared/enroute-filters.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { policyOverlaySchema } from './schema.ts';

export const policyOverlayKind = defineKind({
  id: 'PolicyOverlay',
  kind: 'PolicyOverlay',
  apiVersions: [ENROUTE_V1],
  plural: 'policyoverlays',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: policyOverlaySchema,
  validate: ({ spec }, report) =>
    validateFilter(spec.type, spec.policyOverlayConfig?.config, ['gateway'], report.at('spec'), 'policyOverlayConfig'),
  columns: [{ name: 'TYPE', value: ({ spec }) => spec.type ?? '' }],
});
