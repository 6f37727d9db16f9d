import { defineKind } from '../definition.ts';
import { wasmPluginSchema } from './schema.ts';

export const wasmPluginKind = defineKind({
  id: 'WasmPlugin',
  kind: 'WasmPlugin',
  apiVersions: ['extensions.istio.io/v1alpha1'],
  plural: 'wasmplugins',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: wasmPluginSchema,
  columns: [],
});
