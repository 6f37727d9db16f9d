import { defineKind, shortList } from '../definition.ts';
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
        shortList(
          (o.spec.subsets ?? []).flatMap((s) =>
            (s.ports ?? []).flatMap((p) => (s.addresses ?? []).map((a) => `${a.ip}:${p.port}`)),
          ),
          '<none>',
        ),
    },
  ],
});
