import { isMeshConfigMap } from '../kinds/config-map/validate.ts';
import { applyMeshConfig, type CompleteMeshConfig, DEFAULT_MESH_CONFIG } from '../kinds/mesh-config/defaults.ts';
import type { MeshNetworks } from '../kinds/mesh-config/networks.ts';
import { readMeshConfig, readMeshNetworks } from '../kinds/mesh-config/read.ts';
import type { MeshConfig } from '../kinds/mesh-config/schema.ts';
import type { ConfigObject } from '../object.ts';
import type { ConfigSnapshot } from './snapshot.ts';

export interface MeshSources {
  /** The namespace of the control plane. Default `istio-system`. */
  readonly rootNamespace?: string;
  /** The revision of the control plane, which reads the ConfigMap `istio-REVISION`. Default: none, that is `istio`. */
  readonly revision?: string;
  /** The content of the file that was named on the command line; it takes the place of what stands in objects. */
  readonly file?: MeshConfig;
}

/**
 * The configuration of the mesh, complete with defaults: from the file, or else the ConfigMap, or else IstioOperator
 * objects, which stand for what `istioctl install` would have made a ConfigMap of.
 */
export function meshConfigOf(snapshot: ConfigSnapshot, sources: MeshSources = {}): CompleteMeshConfig {
  const rootNamespace = sources.rootNamespace ?? DEFAULT_MESH_CONFIG.rootNamespace;
  const defaults: CompleteMeshConfig = {
    ...DEFAULT_MESH_CONFIG,
    rootNamespace,
    defaultConfig: { ...DEFAULT_MESH_CONFIG.defaultConfig, discoveryAddress: `istiod.${rootNamespace}.svc:15012` },
  };
  const configMap = meshConfigMap(snapshot, sources);
  if (sources.file !== undefined) return applyMeshConfig(sources.file, defaults);
  if (configMap !== undefined) return applyMeshConfig(parsed(meshConfigs, configMap, 'mesh'), defaults);
  let mesh = defaults;
  for (const { spec } of snapshot.list('IstioOperator')) {
    if (spec.meshConfig !== undefined) mesh = applyMeshConfig(spec.meshConfig, mesh);
  }
  return mesh;
}

/** The networks of the mesh, from the ConfigMap. */
export function meshNetworksOf(snapshot: ConfigSnapshot, sources: MeshSources = {}): MeshNetworks {
  const configMap = meshConfigMap(snapshot, sources);
  return configMap === undefined ? {} : parsed(meshNetworks, configMap, 'meshNetworks');
}

type ConfigMap = NonNullable<ReturnType<typeof meshConfigMap>>;

function meshConfigMap(snapshot: ConfigSnapshot, { rootNamespace, revision }: MeshSources) {
  const name = revision === undefined || revision === 'default' ? 'istio' : `istio-${revision}`;
  const configMap = snapshot.get('ConfigMap', rootNamespace ?? DEFAULT_MESH_CONFIG.rootNamespace, name);
  return configMap !== undefined && isMeshConfigMap(configMap) ? configMap : undefined;
}

/** Objects never change, so what was read from one stays. */
const meshConfigs = { read: readMeshConfig, known: new WeakMap<ConfigObject, MeshConfig>() };
const meshNetworks = { read: readMeshNetworks, known: new WeakMap<ConfigObject, MeshNetworks>() };

interface Memo<T> {
  readonly read: (text: string, file: string) => { readonly value: T | undefined };
  readonly known: WeakMap<ConfigObject, T>;
}

function parsed<T extends object>({ read, known }: Memo<T>, configMap: ConfigMap, key: string): T {
  const before = known.get(configMap);
  if (before !== undefined) return before;
  const text = configMap.spec.data?.[key] ?? '';
  // The store accepts a ConfigMap only with a configuration that can be read.
  const value = read(text, configMap.locate(['data', key]).file).value ?? ({} as T);
  known.set(configMap, value);
  return value;
}
