import { defineKind, listColumn } from '../definition.ts';
import { virtualServiceSchema } from './schema.ts';
import { validateVirtualService } from './validate.ts';

export const virtualServiceKind = defineKind({
  id: 'VirtualService',
  kind: 'VirtualService',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'virtualservices',
  shortNames: ['vs'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: virtualServiceSchema,
  validate: validateVirtualService,
  columns: [
    { name: 'GATEWAYS', value: (o) => listColumn(o.spec.gateways) },
    { name: 'HOSTS', value: (o) => listColumn(o.spec.hosts) },
  ],
});
