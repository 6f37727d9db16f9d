import { defineKind } from '../definition.ts';
import { wasmPluginSchema } from './schema.ts';
import { validateWasmPlugin } from './validate.ts';

export const wasmPluginKind = defineKind({
  id: 'WasmPlugin',
  kind: 'WasmPlugin',
  apiVersions: ['extensions.istio.io/v1alpha1'],
  plural: 'wasmplugins',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: wasmPluginSchema,
  validate: validateWasmPlugin,
  columns: [],
});
