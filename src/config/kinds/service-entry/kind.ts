import { defineKind, listColumn } from '../definition.ts';
import { serviceEntrySchema } from './schema.ts';
import { validateServiceEntry } from './validate.ts';

export const serviceEntryKind = defineKind({
  id: 'ServiceEntry',
  kind: 'ServiceEntry',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'serviceentries',
  shortNames: ['se'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: serviceEntrySchema,
  validate: validateServiceEntry,
  columns: [
    { name: 'HOSTS', value: (o) => listColumn(o.spec.hosts) },
    { name: 'LOCATION', value: (o) => o.spec.location ?? '' },
    { name: 'RESOLUTION', value: (o) => o.spec.resolution ?? '' },
  ],
});
