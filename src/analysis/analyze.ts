import { applyMeshConfig, type CompleteMeshConfig, DEFAULT_MESH_CONFIG } from '../config/kinds/mesh-config/defaults.ts';
import type { MeshNetworks } from '../config/kinds/mesh-config/networks.ts';
import { type MeshReading, readMeshConfig, readMeshNetworks } from '../config/kinds/mesh-config/read.ts';
import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import type { Analyzer } from './analyzer.ts';
import { ANALYZERS } from './analyzers/index.ts';
import { reportInvalid } from './analyzers/schema.ts';
import { AnalysisContext } from './context.ts';
import { implicitResources } from './implicit.ts';
import { type Message, originOf, sortMessages } from './message.ts';
import type { Resource } from './resource.ts';
import { meshResource } from './source.ts';

export interface AnalysisOptions {
  /** Those that run. Default: all. */
  readonly analyzers?: readonly Analyzer[];
  /** Report only what is about resources of this namespace, or of none. Default: everything. */
  readonly namespace?: string;
  /** What not to report. */
  readonly suppressions?: readonly Suppression[];
  /**
   * Whether the resources are all that there are, as those of a running mesh. If not, an ingress gateway is taken to be
   * there, and nothing is said to be missing of which there is nothing at all. Default: false.
   */
  readonly complete?: boolean;
  /** Resources that these are laid over, and may replace: those of a mesh, of what is about to be changed in it. */
  readonly underlay?: readonly Resource[];
  /** Resources that are not in force because of what is wrong with them. Only that is told of them. */
  readonly refused?: readonly Resource[];
  /** A mesh configuration that takes the place of what the resources say. */
  readonly meshConfig?: { readonly text: string; readonly file: string };
  /** Milliseconds since 1970. Default: now. */
  readonly now?: number;
}

/** A message code on a resource, such as `Pod mypod` or, with a wildcard, `Pod testing/*`. */
export interface Suppression {
  readonly code: string;
  readonly resource: string;
}

/** Analyzes resources together. Of those of the same kind and name the last counts. The messages are in istioctl's order. */
export function analyze(resources: readonly Resource[], options: AnalysisOptions = {}): Message[] {
  const { analyzers = ANALYZERS, complete = false, now = Date.now(), refused = [] } = options;
  const given = [...(options.underlay ?? []), ...resources];
  const meshReading = meshConfigOf(given, options.meshConfig);
  const networksReading = meshNetworksOf(given);
  const implicit = complete ? [] : implicitResources(meshReading.mesh);
  const underlay = [...implicit, ...(options.underlay ?? []), meshReading.resource, networksReading.resource];
  const { mesh } = meshReading;
  const { networks } = networksReading;
  const context = new AnalysisContext(underlay, resources, {
    mesh,
    networks,
    complete,
    implicit: new Set(implicit),
    now,
  });
  for (const resource of refused) reportInvalid(resource, context);
  for (const analyzer of analyzers) analyzer.analyze(context);
  return sortMessages(context.messages.filter((message) => isWanted(message, options)));
}

interface MeshFindings {
  readonly mesh: CompleteMeshConfig;
  readonly resource: Resource<'MeshConfig'>;
}

/** The configuration of the mesh: the given one, or that of the ConfigMap, or that of the installation. */
function meshConfigOf(resources: readonly Resource[], given: AnalysisOptions['meshConfig']): MeshFindings {
  if (given !== undefined) {
    const reading = readMeshConfig(given.text, given.file);
    return complete(reading, given.file);
  }
  const text = meshConfigMap(resources)?.spec.data?.mesh;
  // What is wrong with the configuration is told as what is wrong with the ConfigMap.
  if (text !== undefined) return complete({ ...readMeshConfig(text, ''), errors: [], warnings: [] });
  const operators = resources.filter((r): r is Resource<'IstioOperator'> => r.id === 'IstioOperator');
  const mesh = operators.reduce(
    (below, { spec }) => applyMeshConfig((spec.meshConfig ?? {}) as MeshConfig, below),
    DEFAULT_MESH_CONFIG as CompleteMeshConfig,
  );
  return { mesh, resource: meshResource('MeshConfig', {}) };
}

function complete(reading: MeshReading<MeshConfig>, file?: string): MeshFindings {
  const value = reading.value ?? {};
  return { mesh: applyMeshConfig(value), resource: meshResource('MeshConfig', value, reading, file) };
}

function meshNetworksOf(resources: readonly Resource[]): {
  readonly networks: MeshNetworks;
  readonly resource: Resource<'MeshNetworks'>;
} {
  const text = meshConfigMap(resources)?.spec.data?.meshNetworks;
  const networks = (text === undefined ? undefined : readMeshNetworks(text, '').value) ?? {};
  return { networks, resource: meshResource('MeshNetworks', networks) };
}

function meshConfigMap(resources: readonly Resource[]): Resource<'ConfigMap'> | undefined {
  return resources
    .filter((resource): resource is Resource<'ConfigMap'> => resource.id === 'ConfigMap')
    .findLast(({ namespace, name }) => namespace === 'istio-system' && name === 'istio');
}

const SUPPRESS_ANNOTATION = 'galley.istio.io/analyze-suppress';

function isWanted(message: Message, { namespace, suppressions = [] }: AnalysisOptions): boolean {
  const { code, resource } = message;
  if (namespace !== undefined && resource.namespace !== '' && resource.namespace !== namespace) return false;
  const suppressed = resource.annotations[SUPPRESS_ANNOTATION]?.split(',') ?? [];
  if (suppressed.includes('*') || suppressed.includes(code)) return false;
  const origin = originOf(message);
  return !suppressions.some((s) => s.code === code && matchesGlob(s.resource, origin));
}

/** Whether a text is of a pattern in which `*` stands for anything. */
function matchesGlob(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  const end = rest.pop()!;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - at >= end.length && text.endsWith(end);
}
