import { defineKind } from '../definition.ts';
import { podSchema } from './schema.ts';

export const podKind = defineKind({
  id: 'Pod',
  kind: 'Pod',
  apiVersions: ['v1'],
  plural: 'pods',
  shortNames: ['po'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: podSchema,
  columns: [{ name: 'CONTAINERS', value: (o) => o.spec.containers.map((c) => c.name).join(',') }],
});
