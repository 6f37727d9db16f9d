import { meshConfigSchema } from '../../../../src/config/kinds/mesh-config/schema.ts';
import type { ArraySchema, MapSchema, ObjectSchema, Schema } from '../../../../src/config/schema/index.ts';
import type { RandomMesh } from '../random.ts';
import { RANDOM_KINDS } from './objects.ts';

/** Fields of Istio's API that random meshes never set, and why. */
export const NEVER_SET: readonly (readonly [field: RegExp, why: string])[] = [
  [
    /^MeshConfig\.(configSources|ca|caCertificates|certificates)\b/,
    'istiod would dial, sign or fetch; proxies see nothing of it',
  ],
  [/^MeshConfig\.(ingress\w+|discoverySelectors|serviceScopeConfigs)\b/, 'of Kubernetes, which is not there'],
  [/^EnvoyFilter\.configPatches\[\]\.match\.waypoint\b/, 'of waypoints, which are not there'],
  [/^MeshConfig\.defaultConfig\.readinessProbe\b/, 'the agent probes; proxies see nothing of it'],
  [
    /^MeshConfig\.extensionProviders\[\]\.stackdriver\.logging\b/,
    'the exporter to Stackdriver is no part of Envoy any more',
  ],
  [/^Gateway\.servers\[\]\.defaultEndpoint$/, 'validation refuses it'],
  [/\.(exponentialDelay|http2Error)$/, 'validation refuses it'],
];

type Fields = Record<string, Schema<unknown>>;

/** Fields by the message that they are of, wherever it is: the name is the first place at which it was met. */
export type FieldNames = Map<Fields, Map<string, string>>;

/** Every field of the kinds that random meshes have and of the mesh's own configuration, as `VirtualService.http[].name`. */
export function knownFields(): FieldNames {
  const out: FieldNames = new Map();
  for (const { kind, schema } of RANDOM_KINDS) addKnown(schema, kind, out);
  addKnown(meshConfigSchema, 'MeshConfig', out);
  return out;
}

function addKnown(schema: Schema<unknown>, path: string, out: FieldNames): void {
  if (schema.type === 'object') {
    const fields = (schema as ObjectSchema<Fields>).fields;
    // A message that is required somewhere is another object there, with the same fields.
    if (out.has(fields)) return;
    out.set(fields, new Map(Object.keys(fields).map((name) => [name, `${path}.${name}`])));
    for (const [name, field] of Object.entries(fields)) addKnown(field, `${path}.${name}`, out);
  } else if (schema.type === 'array') addKnown((schema as ArraySchema<unknown>).items, `${path}[]`, out);
  else if (schema.type === 'map') addKnown((schema as MapSchema<unknown>).values, `${path}{}`, out);
}

/** Takes out of `left` the fields that a mesh sets. */
export function removeSetFields({ head, objects }: RandomMesh, left: FieldNames): void {
  for (const { kind, spec } of objects) removeSet(RANDOM_KINDS.find((k) => k.kind === kind)!.schema, spec, left);
  removeSet(meshConfigSchema, head.mesh, left);
  for (const { metadata } of head.nodes) {
    removeSet(meshConfigSchema, { defaultConfig: metadata?.PROXY_CONFIG ?? {} }, left);
  }
}

function removeSet(schema: Schema<unknown>, value: unknown, left: FieldNames): void {
  if (typeof value !== 'object' || value === null) return;
  if (schema.type === 'object') {
    const { fields } = schema as ObjectSchema<Fields>;
    for (const [name, inner] of Object.entries(value)) {
      if (fields[name] === undefined) continue;
      left.get(fields)?.delete(name);
      removeSet(fields[name], inner, left);
    }
  } else if (schema.type === 'array') {
    for (const item of value as unknown[]) removeSet((schema as ArraySchema<unknown>).items, item, left);
  } else if (schema.type === 'map') {
    for (const item of Object.values(value)) removeSet((schema as MapSchema<unknown>).values, item, left);
  }
}
