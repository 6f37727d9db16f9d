import { createRegistry, type DescMessage, fromBinary, type JsonValue, type Message, toJson } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Any, AnySchema, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { files } from '../../../src/api/gen/files.ts';

/** Every generated message type, to print what an Any holds. */
export async function loadTypes() {
  const modules = new Map<string, Record<string, unknown>>();
  for (const [module] of Object.values(files)) {
    if (!modules.has(module)) modules.set(module, await import(`../../../src/api/gen/${module}.ts`));
  }
  return createRegistry(
    StringValueSchema,
    ...Object.values(files).map(([module, schema]) => modules.get(module)![schema] as DescMessage),
  );
}
export type Types = Awaited<ReturnType<typeof loadTypes>>;

/** A resource as JSON, with what is inside every Any. Fields that the types do not know are an error: they would hide a difference. */
export function resourceJson(types: Types, any: Any): JsonValue {
  const schema = types.getMessage(any.typeUrl.slice(any.typeUrl.indexOf('/') + 1));
  if (!schema) throw new Error(`unknown type ${any.typeUrl}`);
  const message = fromBinary(schema, any.value);
  const unknown: string[] = [];
  findUnknown(types, schema, message, schema.name, unknown);
  const json = toJson(schema, message, { registry: types }) as Record<string, JsonValue>;
  if (unknown.length > 0) json['@unknown'] = unknown;
  return json;
}

/** Bytes of which nobody knows the type, their fields by number as far as they look like a message. */
function showField(wireType: number, data: Uint8Array): string {
  if (wireType !== 2) return Buffer.from(data).toString('hex');
  const reader = new BinaryReader(data);
  return showMessage(reader.bytes());
}

function showMessage(bytes: Uint8Array): string {
  const fields: [number, string][] = [];
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [no, wireType] = reader.tag();
      fields.push([
        no,
        wireType === 2 ? showMessage(reader.bytes()) : Buffer.from(reader.skip(wireType, no)).toString('hex'),
      ]);
    }
  } catch {
    return JSON.stringify(Buffer.from(bytes).toString());
  }
  if (fields.length === 0) return JSON.stringify(Buffer.from(bytes).toString());
  return `{${fields
    .sort(([a], [b]) => a - b)
    .map(([no, text]) => `${no}: ${text}`)
    .join(', ')}}`;
}

function findUnknown(types: Types, schema: DescMessage, message: Message, path: string, out: string[]): void {
  for (const field of message.$unknown ?? []) {
    out.push(`${path}: field ${field.no} = ${showField(field.wireType, field.data)}`);
  }
  if (schema.typeName === AnySchema.typeName) {
    const any = message as unknown as Any;
    if (any.typeUrl === '') return;
    const inner = types.getMessage(any.typeUrl.slice(any.typeUrl.indexOf('/') + 1));
    if (inner) findUnknown(types, inner, fromBinary(inner, any.value), `${path}<${inner.name}>`, out);
    else out.push(`${path}: unknown type ${any.typeUrl}`);
    return;
  }
  const view = reflect(schema, message);
  for (const field of schema.fields) {
    if (!view.isSet(field)) continue;
    const at = `${path}.${field.jsonName}`;
    if (field.fieldKind === 'message') {
      findUnknown(types, field.message, view.get(field).message, at, out);
    } else if (field.fieldKind === 'list' && field.listKind === 'message') {
      let i = 0;
      for (const item of view.get(field)) {
        const m = item as { message: Message; desc: DescMessage };
        findUnknown(types, m.desc, m.message, `${at}[${i++}]`, out);
      }
    } else if (field.fieldKind === 'map' && field.mapKind === 'message') {
      for (const [key, value] of view.get(field)) {
        const m = value as { message: Message; desc: DescMessage };
        findUnknown(types, m.desc, m.message, `${at}[${String(key)}]`, out);
      }
    }
  }
}

/** Everything that one proxy gets, by short type name. */
export interface Dump {
  readonly listeners: Readonly<Record<string, JsonValue>>;
  readonly clusters: Readonly<Record<string, JsonValue>>;
  readonly routes: Readonly<Record<string, JsonValue>>;
  readonly endpoints: Readonly<Record<string, JsonValue>>;
  readonly extensions: Readonly<Record<string, JsonValue>>;
}

const PREFIX = 'type.googleapis.com/envoy.config.';
export const LISTENER = `${PREFIX}listener.v3.Listener`;
export const CLUSTER = `${PREFIX}cluster.v3.Cluster`;
export const ROUTE = `${PREFIX}route.v3.RouteConfiguration`;
export const ENDPOINT = `${PREFIX}endpoint.v3.ClusterLoadAssignment`;
export const EXTENSION = `${PREFIX}core.v3.TypedExtensionConfig`;

/** Fetches what a proxy would: listeners and clusters, then the routes, endpoints and extensions that they name. */
export async function fetchAll(
  types: Types,
  fetch: (typeUrl: string, names: string[]) => Promise<readonly Any[]>,
): Promise<Dump> {
  const get = async (typeUrl: string, names: string[]) => {
    const out: Record<string, JsonValue> = {};
    for (const any of await fetch(typeUrl, names)) {
      const json = resourceJson(types, any) as { name?: string; clusterName?: string };
      let name = json.name ?? json.clusterName ?? '';
      while (name in out) name += '#duplicate';
      out[name] = json as JsonValue;
    }
    return out;
  };
  const clusters = await get(CLUSTER, []);
  const listeners = await get(LISTENER, []);
  const routeNames = new Set<string>();
  const extensionNames = new Set<string>();
  walk(Object.values(listeners), (object) => {
    const rds = object.rds as { routeConfigName?: string } | undefined;
    if (rds?.routeConfigName) routeNames.add(rds.routeConfigName);
    if (object.configDiscovery && typeof object.name === 'string') extensionNames.add(object.name);
  });
  const endpointNames = new Set<string>();
  walk(Object.values(clusters), (object) => {
    if (object.type === 'EDS') {
      const eds = object.edsClusterConfig as { serviceName?: string } | undefined;
      endpointNames.add(eds?.serviceName || (object.name as string));
    }
  });
  return {
    listeners,
    clusters,
    routes: routeNames.size > 0 ? await get(ROUTE, [...routeNames]) : {},
    endpoints: endpointNames.size > 0 ? await get(ENDPOINT, [...endpointNames]) : {},
    extensions: extensionNames.size > 0 ? await get(EXTENSION, [...extensionNames]) : {},
  };
}

function walk(value: unknown, visit: (object: Record<string, unknown>) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit);
  else if (typeof value === 'object' && value !== null) {
    visit(value as Record<string, unknown>);
    for (const item of Object.values(value)) walk(item, visit);
  }
}
