import type { ConfigObject } from '../../object.ts';
import { defineKind, labelsColumn, statusOf } from '../definition.ts';
import { type BalancerStatus, balancerAddresses } from '../shared/balancer-status.ts';
import { type ServiceSpec, serviceSchema } from './schema.ts';
import { validateService } from './validate.ts';

export const serviceKind = defineKind({
  id: 'Service',
  kind: 'Service',
  apiVersions: ['v1'],
  plural: 'services',
  shortNames: ['svc'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'warning',
  schema: serviceSchema,
  validate: validateService,
  columns: [
    { name: 'TYPE', value: (o) => o.spec.type ?? 'ClusterIP' },
    { name: 'CLUSTER-IP', value: (o) => o.spec.clusterIP ?? '<none>' },
    { name: 'EXTERNAL-IP', value: externalAddress },
    {
      name: 'PORT(S)',
      value: (o) =>
        (o.spec.ports ?? [])
          .map((p) => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol ?? 'TCP'}`)
          .join(',') || '<none>',
    },
    { name: 'SELECTOR', wide: true, value: (o) => labelsColumn(o.spec.selector) },
  ],
});

function externalAddress(service: ConfigObject<ServiceSpec>): string {
  const { type, externalName, externalIPs = [] } = service.spec;
  if (type === 'ExternalName') return externalName ?? '<none>';
  const balancer = balancerAddresses(statusOf<BalancerStatus>(service));
  const all = [...(type === 'LoadBalancer' ? balancer : []), ...externalIPs];
  return all.join(',') || (type === 'LoadBalancer' ? '<pending>' : '<none>');
}
