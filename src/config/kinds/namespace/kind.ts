import { defineKind, statusOf } from '../definition.ts';
import { namespaceSchema } from './schema.ts';

export const namespaceKind = defineKind({
  id: 'Namespace',
  kind: 'Namespace',
  apiVersions: ['v1'],
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  layout: 'spec',
  unknownFields: 'warning',
  schema: namespaceSchema,
  columns: [{ name: 'STATUS', value: (o) => statusOf<{ phase: string }>(o).phase ?? 'Active' }],
});
