import { defineKind } from '../definition.ts';
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
    { name: 'PORTS', value: (o) => (o.spec.ports ?? []).map((p) => p.port).join(',') || '<unset>' },
    { name: 'ENDPOINTS', value: (o) => (o.spec.endpoints ?? []).flatMap((e) => e.addresses).join(',') || '<unset>' },
  ],
});
