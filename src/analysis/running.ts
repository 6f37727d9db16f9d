import type { ObjectState } from '../config/control/api.ts';
import type { KindId } from '../config/kinds/index.ts';
import { kindById } from '../config/kinds/index.ts';
import type { ConfigMessage } from '../config/message.ts';
import type { Rejection } from '../config/store/snapshot.ts';
import type { AnalysisOptions } from './analyze.ts';
import type { Analyzer } from './analyzer.ts';
import { ANALYZERS } from './analyzers/index.ts';
import { INJECT_LABEL } from './in-mesh.ts';
import { findPlaces, type TextOf } from './places.ts';
import type { Resource } from './resource.ts';
import { resourceFromJson } from './source.ts';

/** Analyzers of a cluster's injector: a local mesh gives its pods a sidecar without one. */
const OF_INJECTION: readonly string[] = [
  'injection.Analyzer',
  'injection.ImageAnalyzer',
  'injection.ImageAutoAnalyzer',
];

/** The state of a running mesh, and what of its files it could not read. */
export interface RunningState {
  readonly options: AnalysisOptions;
  readonly problems: readonly ConfigMessage[];
}

/**
 * Makes resources of what a control plane has in force, and of what it has refused. With the texts of their files,
 * messages tell the lines of fields; without, those of objects.
 */
export function readRunningState(
  objects: readonly ObjectState[],
  rejected: readonly Rejection[],
  analyzers: readonly Analyzer[] = ANALYZERS,
  textOf: TextOf = () => undefined,
): RunningState {
  const find = findPlaces(textOf);
  const underlay = objects.flatMap((object) => {
    const resource = resourceFromJson(object.raw, object.at, (path) => find(object, path));
    return resource === undefined ? [] : [withSidecar(resource)];
  });
  const refused: Resource[] = [];
  const problems: ConfigMessage[] = [];
  for (const { key, messages } of rejected) {
    const resource = refusedResource(key, messages);
    if (resource === undefined) problems.push(...messages);
    else refused.push(resource);
  }
  const running = analyzers.filter(({ name }) => !OF_INJECTION.includes(name));
  return { options: { underlay, refused, analyzers: running, complete: true }, problems };
}

/** The proxy of a local pod is none of its containers; that it has one is a label of its. */
function withSidecar(resource: Resource): Resource {
  if (resource.id !== 'Pod' || resource.labels['security.istio.io/tlsMode'] !== 'istio') return resource;
  return { ...resource, labels: { ...resource.labels, [INJECT_LABEL]: 'true' } };
}

/** What is known of an object that was refused: its name, and what is wrong. */
function refusedResource(key: string, messages: readonly ConfigMessage[]): Resource | undefined {
  const [id = '', namespace, name, ...more] = key.split('/');
  const definition = kindById(id);
  if (definition === undefined || namespace === undefined || name === undefined || more.length > 0) return undefined;
  return {
    id: id as KindId,
    kind: definition.kind,
    namespace,
    name,
    labels: {},
    annotations: {},
    spec: {},
    status: undefined,
    at: messages[0]?.at,
    find: () => undefined,
    errors: messages,
    warnings: [],
  };
}
