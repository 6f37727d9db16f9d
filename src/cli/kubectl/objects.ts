import type { ObjectState } from '../../config/control/api.ts';
import type { ControlClient } from '../../config/control/client.ts';
import type { MeshStatus } from '../../config/control/mesh-api.ts';
import type { KindDefinition } from '../../config/kinds/definition.ts';
import { kindById } from '../../config/kinds/index.ts';
import { type ConfigObject, objectKey } from '../../config/object.ts';
import { readObject } from '../../config/read.ts';
import { compareText } from '../output/json.ts';
import { LIVE_KINDS, liveStatus } from './live-status.ts';

/** An object as `kubectl get` has it from an API server. */
export interface Resource {
  readonly definition: KindDefinition;
  readonly key: string;
  readonly name: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** What `-o json` prints, with all that an API server adds. */
  readonly json: Readonly<Record<string, unknown>>;
  /** For columns. */
  readonly object: ConfigObject;
}

export interface ResourceQuery {
  readonly definition: KindDefinition;
  readonly apiVersion: string;
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** Objects that are in force, with what the mesh knows of them, by namespace and name. */
export async function fetchResources(client: ControlClient, query: ResourceQuery): Promise<Resource[]> {
  const { definition, apiVersion, namespace, name } = query;
  const [{ objects }, status] = await Promise.all([
    client.objects({
      kinds: [definition.id],
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
    }),
    statusFor(client, [definition]),
  ]);
  const implied = definition.id === 'Namespace' ? await impliedNamespaces(client, objects, name) : [];
  return [...objects, ...implied]
    .flatMap((state) => resourceOf(state, apiVersion, status) ?? [])
    .sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name));
}

/** Namespaces that nobody has written, and that objects are in: as old as the oldest of those. */
async function impliedNamespaces(
  client: ControlClient,
  written: readonly ObjectState[],
  name: string | undefined,
): Promise<ObjectState[]> {
  const { objects } = await client.objects({});
  const known = new Set(written.map(({ key }) => key));
  const implied = new Map<string, ObjectState>();
  for (const { key: ofObject, creationTimestamp, at } of objects) {
    const namespace = ofObject.split('/')[1] ?? '';
    const key = objectKey('Namespace', '', namespace);
    if (namespace === '' || known.has(key) || (name !== undefined && name !== namespace)) continue;
    if ((implied.get(key)?.creationTimestamp ?? Number.POSITIVE_INFINITY) <= creationTimestamp) continue;
    const raw = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    implied.set(key, { key, kind: 'Namespace', raw, creationTimestamp, generation: 1, at: { file: at.file } });
  }
  return [...implied.values()];
}

/** The state of the mesh, if one of the kinds shows it. */
export function statusFor(
  client: ControlClient,
  definitions: readonly KindDefinition[],
): Promise<MeshStatus | undefined> {
  return definitions.some(({ id }) => LIVE_KINDS.has(id)) ? client.status() : Promise.resolve(undefined);
}

/** One object as an API server would give it, in a version of its kind. */
export function resourceOf(
  { key, kind, raw, at, creationTimestamp, generation }: ObjectState,
  apiVersion: string,
  status: MeshStatus | undefined,
): Resource | undefined {
  const definition = kindById(kind);
  if (definition === undefined) return undefined;
  const [, namespace = '', name = ''] = key.split('/');
  const written = raw.metadata as Readonly<Record<string, unknown>>;
  const metadata = {
    ...written,
    name,
    ...(definition.namespaced ? { namespace } : {}),
    creationTimestamp: new Date(creationTimestamp).toISOString().replace(/\.\d+Z$/, 'Z'),
    // Kubernetes counts the changes of those kinds of its core group that have a status to compare them with.
    ...(apiVersion.includes('/') ? { generation } : {}),
  };
  const whole = { ...raw, apiVersion, kind: definition.kind, metadata };
  const live = status !== undefined && LIVE_KINDS.has(definition.id);
  const json = live ? { ...whole, status: liveStatus(definition.id, whole, status) } : whole;
  const { object, draft } = readObject(json, () => at);
  const read = object ?? draft;
  if (read === undefined) return undefined;
  return {
    definition,
    key,
    name,
    namespace,
    labels: read.metadata.labels,
    createdAt: creationTimestamp,
    json,
    object: read,
  };
}
