import { defineKind } from '../definition.ts';
import { ingressSchema } from './schema.ts';
import { validateIngress } from './validate.ts';

export const ingressKind = defineKind({
  id: 'Ingress',
  kind: 'Ingress',
  apiVersions: ['networking.k8s.io/v1', 'networking.k8s.io/v1beta1', 'extensions/v1beta1'],
  plural: 'ingresses',
  shortNames: ['ing'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: ingressSchema,
  validate: validateIngress,
  columns: [
    { name: 'CLASS', value: (o) => o.spec.ingressClassName ?? '<none>' },
    { name: 'HOSTS', value: (o) => (o.spec.rules ?? []).map((r) => r.host ?? '*').join(',') || '*' },
  ],
});
