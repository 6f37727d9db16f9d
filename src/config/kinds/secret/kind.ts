import { defineKind } from '../definition.ts';
import { secretSchema } from './schema.ts';
import { validateSecret } from './validate.ts';

export const secretKind = defineKind({
  id: 'Secret',
  kind: 'Secret',
  apiVersions: ['v1'],
  plural: 'secrets',
  namespaced: true,
  layout: 'body',
  unknownFields: 'warning',
  confidential: true,
  schema: secretSchema,
  validate: validateSecret,
  columns: [
    { name: 'TYPE', value: (o) => o.spec.type ?? 'Opaque' },
    {
      name: 'DATA',
      value: (o) => String(new Set([...Object.keys(o.spec.data ?? {}), ...Object.keys(o.spec.stringData ?? {})]).size),
    },
  ],
});
