import { defineKind, shortList, statusOf } from '../definition.ts';
import { type BalancerStatus, balancerAddresses } from '../shared/balancer-status.ts';
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
    {
      name: 'HOSTS',
      value: (o) =>
        shortList(
          (o.spec.rules ?? []).flatMap((r) => r.host ?? []),
          '*',
        ),
    },
    { name: 'ADDRESS', value: (o) => balancerAddresses(statusOf<BalancerStatus>(o)).join(',') },
    { name: 'PORTS', value: (o) => ((o.spec.tls ?? []).length > 0 ? '80, 443' : '80') },
  ],
});
