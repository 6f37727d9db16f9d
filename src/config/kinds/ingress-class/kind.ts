import { defineKind } from '../definition.ts';
import { ingressClassSchema } from './schema.ts';

export const ingressClassKind = defineKind({
  id: 'IngressClass',
  kind: 'IngressClass',
  apiVersions: ['networking.k8s.io/v1', 'networking.k8s.io/v1beta1'],
  plural: 'ingressclasses',
  namespaced: false,
  layout: 'spec',
  unknownFields: 'warning',
  schema: ingressClassSchema,
  columns: [
    { name: 'CONTROLLER', value: (o) => o.spec.controller ?? '' },
    { name: 'PARAMETERS', value: () => '<none>' },
  ],
});
