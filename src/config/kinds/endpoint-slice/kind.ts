import { defineKind, shortList } from '../definition.ts';
import { endpointSliceSchema } from './schema.ts';

export const endpointSliceKind = defineKind({
  id: 'EndpointSlice',
  kind: 'EndpointSlice',
  apiVersions: ['discovery.k8s.io/v1', 'discovery.k8s.io/v1beta1'],
  plural: 'endpointslices',
  namespaced: true,
  layout: 'body',
  unknownFields: 'warning',
  schema: endpointSliceSchema,
  columns: [
    { name: 'ADDRESSTYPE', value: (o) => o.spec.addressType },
    {
      name: 'PORTS',
      value: (o) =>
        shortList(
          (o.spec.ports ?? []).map((p) => String(p.port ?? '*')),
          '<unset>',
        ),
    },
    {
      name: 'ENDPOINTS',
      value: (o) =>
        shortList(
          (o.spec.endpoints ?? []).flatMap((e) => e.addresses),
          '<unset>',
        ),
    },
  ],
});
