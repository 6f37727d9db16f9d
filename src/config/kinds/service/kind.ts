import { defineKind, labelsColumn } from '../definition.ts';
import { serviceSchema } from './schema.ts';
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
    {
      name: 'PORT(S)',
      value: (o) => (o.spec.ports ?? []).map((p) => `${p.port}/${p.protocol ?? 'TCP'}`).join(',') || '<none>',
    },
    { name: 'SELECTOR', wide: true, value: (o) => labelsColumn(o.spec.selector) },
  ],
});
