import { defineKind } from '../definition.ts';
import { gatewaySchema } from './schema.ts';
import { validateGateway } from './validate.ts';

export const gatewayKind = defineKind({
  id: 'Gateway',
  kind: 'Gateway',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'gateways',
  shortNames: ['gw'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: gatewaySchema,
  validate: validateGateway,
  columns: [],
});
