import { defineKind } from '../definition.ts';
import { endpointsSchema } from './schema.ts';

export const endpointsKind = defineKind({
  id: 'Endpoints',
  kind: 'Endpoints',
  apiVersions: ['v1'],
  plural: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  layout: 'body',
  unknownFields: 'warning',
  schema: endpointsSchema,
  columns: [
    {
      name: 'ENDPOINTS',
      value: (o) =>
        (o.spec.subsets ?? [])
          .flatMap((s) => (s.addresses ?? []).flatMap((a) => (s.ports ?? []).map((p) => `${a.ip}:${p.port}`)))
          .join(',') || '<none>',
    },
  ],
});
