import { array, enumOf, type Infer, object, string, struct } from '../../schema/index.ts';

export const pluginPhase = enumOf('UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS');

const environmentVariable = object({ name: string(), valueFrom: enumOf('INLINE', 'HOST'), value: string() });
export type PluginEnvironmentVariable = Infer<typeof environmentVariable>;

/** Where a WebAssembly module comes from and how it runs: the fields that WasmPlugin and TrafficExtension share. */
export const wasmFields = {
  url: string(),
  sha256: string(),
  imagePullPolicy: enumOf('UNSPECIFIED_POLICY', 'IfNotPresent', 'Always'),
  imagePullSecret: string(),
  verificationKey: string(),
  pluginConfig: struct(),
  pluginName: string(),
  failStrategy: enumOf('FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD'),
  vmConfig: object({ env: array(environmentVariable) }),
  type: enumOf('UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK'),
} as const;

export const wasm = object(wasmFields);
export type Wasm = Infer<typeof wasm>;
