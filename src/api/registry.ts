import { createRequire } from 'node:module';
import {
  create,
  type DescEnum,
  type DescExtension,
  type DescMessage,
  type DescService,
  fromBinary,
  type Message,
  type Registry,
} from '@bufbuild/protobuf';
import * as wkt from '@bufbuild/protobuf/wkt';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { files } from './gen/files.ts';

const require = createRequire(import.meta.url);
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

const loaded = new Map<string, DescMessage | undefined>();
for (const value of Object.values(wkt)) {
  if (typeof value === 'object' && 'kind' in value && value.kind === 'message') loaded.set(value.typeName, value);
}

/**
 * The schema of a message by its full name, such as `envoy.config.cluster.v3.Cluster`. Its module is loaded when it is
 * first asked for: all of Envoy's API would cost every proxy tens of megabytes.
 */
export function schemaOf(typeName: string): DescMessage | undefined {
  if (loaded.has(typeName)) return loaded.get(typeName);
  const entry = Object.hasOwn(files, typeName) ? files[typeName] : undefined;
  let schema: DescMessage | undefined;
  if (entry) schema = (require(`./gen/${entry[0]}${EXTENSION}`) as Record<string, DescMessage>)[entry[1]];
  loaded.set(typeName, schema);
  return schema;
}

/** `type.googleapis.com/a.b.C` -> `a.b.C`. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

export const TYPE_URL_PREFIX = 'type.googleapis.com/';

export function packAny(schema: DescMessage, bytes: Uint8Array): Any {
  return create(AnySchema, { typeUrl: TYPE_URL_PREFIX + schema.typeName, value: bytes });
}

/** Decodes what an Any holds; undefined if the type is not known. Throws if the bytes are not a message of the type. */
export function unpackAny(any: Any): { schema: DescMessage; message: Message } | undefined {
  const schema = schemaOf(typeNameOf(any.typeUrl));
  return schema && { schema, message: fromBinary(schema, any.value) };
}

/** For `toJson` and `fromJson` of messages with Any in them. */
export const registry: Registry = {
  kind: 'registry',
  get: (typeName: string) => schemaOf(typeName),
  getMessage: (typeName: string) => schemaOf(typeName),
  getEnum: (): DescEnum | undefined => undefined,
  getExtension: (): DescExtension | undefined => undefined,
  getExtensionFor: (): DescExtension | undefined => undefined,
  getService: (): DescService | undefined => undefined,
  *[Symbol.iterator]() {
    for (const schema of loaded.values()) if (schema) yield schema;
  },
};
