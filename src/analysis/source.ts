import type { SourceLocation } from '../base/errors.ts';
import type { KindId } from '../config/kinds/index.ts';
import type { MeshReading } from '../config/kinds/mesh-config/read.ts';
import type { ConfigMessage } from '../config/message.ts';
import type { FieldPath } from '../config/object.ts';
import { type ReadEntry, readObject, readObjects } from '../config/read.ts';
import { isRecord } from '../config/schema/index.ts';
import { clusterKindOf, readClusterObject } from './cluster-kinds.ts';
import { isIstioKind } from './istio-kinds.ts';
import type { Resource } from './resource.ts';

/** A text with objects, and the name that messages about it give. */
export interface Source {
  readonly name: string;
  readonly text: string;
}

/** What could not be read in one source. */
export interface SourceProblems {
  readonly name: string;
  readonly problems: readonly ConfigMessage[];
}

export interface SourcesReading {
  readonly resources: readonly Resource[];
  /**
   * Of those sources that have any: documents that are no objects, or of a kind that nobody knows, and what is wrong with
   * objects of Kubernetes' own kinds, which are looked at as far as they can be read.
   */
  readonly problems: readonly SourceProblems[];
}

/** Reads all that analyzers look at. `defaultNamespace` is that of objects which name none; it may be empty. */
export function readSources(sources: readonly Source[], defaultNamespace: string): SourcesReading {
  const resources: Resource[] = [];
  const problems: SourceProblems[] = [];
  for (const { name, text } of sources) {
    const reading = readObjects(text, name, { defaultNamespace });
    const wrong: ConfigMessage[] = [...reading.problems];
    for (const entry of reading.entries) {
      const document = reading.documents[entry.place.document]!;
      const value = valueAt(document.value, entry.place.path);
      const locate = (path: FieldPath) => document.locate([...entry.place.path, ...path]);
      const isWhole = entry.place.path.length === 0;
      const at = isWhole ? { file: name, line: firstLine(text, document.range[0], document.content[0]) } : locate([]);
      const resource = toResource(entry, value, locate, at, defaultNamespace);
      // As istioctl has it: what is wrong with Istio's kinds is found by analyzers, the rest while reading.
      if (resource === undefined || !isIstioKind(resource.id)) wrong.push(...entry.errors);
      if (resource !== undefined && !isInSystemNamespace(resource)) resources.push(resource);
    }
    if (wrong.length > 0) problems.push({ name, problems: wrong });
  }
  return { resources, problems };
}

/** An object that is known as JSON, such as one of a running mesh; `at` is where its file has it, and `locate` a field. */
export function resourceFromJson(
  value: unknown,
  at: SourceLocation,
  locate: (path: FieldPath) => SourceLocation = () => at,
): Resource | undefined {
  return toResource(readObject(value, locate), value, locate, at, 'default');
}

function toResource(
  entry: ReadEntry,
  value: unknown,
  locate: (path: FieldPath) => SourceLocation,
  at: SourceLocation,
  defaultNamespace: string,
): Resource | undefined {
  if (!isRecord(value)) return undefined;
  const find = (path: FieldPath) => (valueAt(value, path) === undefined ? undefined : locate(path));
  const common = { status: value.status, at, find };
  const clusterKind = clusterKindOf(String(value.apiVersion), String(value.kind));
  if (clusterKind !== undefined) {
    const read = readClusterObject(value, clusterKind);
    if (read === undefined) return undefined;
    const { name, namespace, labels = {}, annotations = {} } = read.metadata;
    const isNamespaced = clusterKind.group === 'gateway.networking.k8s.io';
    return {
      ...common,
      id: clusterKind.id,
      kind: clusterKind.kind,
      namespace: isNamespaced ? namespace || defaultNamespace : '',
      name,
      labels,
      annotations,
      spec: read.spec,
      errors: [],
      warnings: [],
    };
  }
  const { draft, definition } = entry;
  if (draft === undefined || definition === undefined) return undefined;
  const { namespace, name, labels, annotations } = draft.metadata;
  return {
    ...common,
    id: definition.id as KindId,
    kind: draft.kind,
    namespace,
    name,
    labels,
    annotations,
    spec: draft.spec as Resource['spec'],
    errors: entry.errors,
    warnings: entry.warnings,
  };
}

/** The mesh's own configuration as a resource, which is what messages about it are about. */
export function meshResource<K extends 'MeshConfig' | 'MeshNetworks'>(
  id: K,
  spec: Resource<K>['spec'],
  reading: Pick<MeshReading<unknown>, 'errors' | 'warnings'> = { errors: [], warnings: [] },
  file?: string,
): Resource<K> {
  const at = file === undefined ? undefined : { file };
  return {
    id,
    kind: id,
    namespace: 'istio-system',
    name: id.toLowerCase(),
    labels: {},
    annotations: {},
    spec,
    status: undefined,
    at,
    find: () => at,
    errors: reading.errors,
    warnings: reading.warnings,
  };
}

/** Namespaces that belong to Kubernetes itself, and never to a mesh. */
const SYSTEM_NAMESPACES: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
]);

export function isSystemNamespace(namespace: string): boolean {
  return SYSTEM_NAMESPACES.has(namespace);
}

function isInSystemNamespace({ id, namespace, name }: Resource): boolean {
  return isSystemNamespace(id === 'Namespace' ? name : namespace);
}

/** What stands at a path in JSON. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string | number, unknown>)[part];
  }
  return at;
}

/**
 * The line by which istioctl names a document: the first after its marker that is not blank, be it a comment.
 * `start` is where the document before ended, `content` where this one's content begins.
 */
function firstLine(text: string, start: number, content: number): number {
  const lines = text.slice(start, content).split('\n');
  const marker = lines.findLastIndex((line) => /^---(\s|$)/.test(line));
  const first = lines.findIndex((line, i) => i > marker && (line.trim() !== '' || i === lines.length - 1));
  const before = text.slice(0, start).split('\n').length;
  return before + (first === -1 ? lines.length - 1 : first);
}
