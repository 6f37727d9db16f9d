import { defineKind } from '../definition.ts';
import { proxyConfigSchema } from './schema.ts';
import { validateProxyConfig } from './validate.ts';

export const proxyConfigKind = defineKind({
  id: 'ProxyConfig',
  kind: 'ProxyConfig',
  apiVersions: ['networking.istio.io/v1beta1'],
  plural: 'proxyconfigs',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: proxyConfigSchema,
  validate: validateProxyConfig,
  columns: [],
});
