import { type DescField, type DescMessage, fromBinary, isFieldSet, type Message, toJson } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { schemaOf, typeNameOf } from '../../../api/registry.ts';
import { isSensitive, REDACTED, REDACTED_BYTES } from './sensitive.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

type Values = Readonly<Record<string, unknown>>;

/**
 * A message as Envoy prints it in `/config_dump`: proto names of fields in the order of their numbers, what is not set
 * left out, what Any holds in place, and what the API marks as sensitive redacted. Never throws: what an Any holds and
 * nobody here knows shows as its type and its bytes.
 */
export function messageJson(schema: DescMessage, message: Message): { [key: string]: Json } {
  const values = message as unknown as Values;
  const json: { [key: string]: Json } = {};
  for (const field of byNumber(schema)) {
    if (!isFieldSet(message, field)) continue;
    const value = field.oneof ? (values[field.oneof.localName] as { value: unknown }).value : values[field.localName];
    json[field.name] = isSensitive(schema.typeName, field.name) ? redact(field, value) : fieldJson(field, value);
  }
  return json;
}

/** The message that bytes encode; with its type, as in an Any. */
function anyJson(typeUrl: string, bytes: Uint8Array): { [key: string]: Json } {
  const schema = schemaOf(typeNameOf(typeUrl));
  if (schema !== undefined) {
    try {
      const message = fromBinary(schema, bytes);
      return schema.typeName.startsWith('google.protobuf.')
        ? { '@type': typeUrl, value: wellKnown(schema, message) }
        : { '@type': typeUrl, ...messageJson(schema, message) };
    } catch {
      // Bytes that are no message of the type are shown as they are.
    }
  }
  return { '@type': typeUrl, value: Buffer.from(bytes).toString('base64') };
}

const sorted = new WeakMap<DescMessage, readonly DescField[]>();

function byNumber(schema: DescMessage): readonly DescField[] {
  let fields = sorted.get(schema);
  if (fields === undefined) sorted.set(schema, (fields = [...schema.fields].sort((a, b) => a.number - b.number)));
  return fields;
}

function fieldJson(field: DescField, value: unknown): Json {
  switch (field.fieldKind) {
    case 'list':
      return (value as unknown[]).map((item) => itemJson(field.listKind, field, item));
    case 'map': {
      const json: { [key: string]: Json } = {};
      for (const [key, item] of Object.entries(value as object)) json[key] = itemJson(field.mapKind, field, item);
      return json;
    }
    default:
      return itemJson(field.fieldKind, field, value);
  }
}

function itemJson(kind: 'scalar' | 'message' | 'enum', field: DescField, value: unknown): Json {
  if (kind === 'message') return wellKnown(field.message!, value as Message);
  if (kind === 'enum') return field.enum!.value[value as number]?.name ?? (value as number);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value as Json;
}

function wellKnown(schema: DescMessage, value: Message | Json | Uint8Array): Json {
  if (!schema.typeName.startsWith('google.protobuf.')) return messageJson(schema, value as Message);
  // Structs and wrappers of singular fields are plain values already.
  if (typeof value !== 'object' || value === null || !('$typeName' in value)) {
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : (value as Json);
  }
  if (schema.typeName === 'google.protobuf.Any') {
    const { typeUrl, value: bytes } = value as unknown as Any;
    return typeUrl === '' ? {} : anyJson(typeUrl, bytes);
  }
  return toJson(schema, value as Message) as Json;
}

/** Texts and bytes go, at whatever depth; everything else shows that it was there. */
function redact(field: DescField, value: unknown): Json {
  if (field.fieldKind === 'list') return (value as unknown[]).map(redactValue);
  if (field.fieldKind === 'map') {
    return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, redactValue(item)]));
  }
  return redactValue(value, field.message);
}

function redactValue(value: unknown, schema?: unknown): Json {
  if (typeof value === 'string') return REDACTED;
  if (value instanceof Uint8Array) return REDACTED_BYTES;
  if (typeof value !== 'object' || value === null) return 0;
  const message = value as Message & { readonly typeUrl?: string };
  if (message.$typeName === 'google.protobuf.Any') return { '@type': message.typeUrl ?? '', value: REDACTED_BYTES };
  const known = (schema as DescMessage | undefined) ?? schemaOf(message.$typeName ?? '');
  if (known === undefined) return REDACTED;
  const json: { [key: string]: Json } = {};
  for (const field of byNumber(known)) {
    if (!isFieldSet(message, field)) continue;
    const values = message as unknown as Values;
    json[field.name] = redact(
      field,
      field.oneof ? (values[field.oneof.localName] as { value: unknown }).value : values[field.localName],
    );
  }
  return json;
}
