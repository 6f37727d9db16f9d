import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { schemaOf, typeNameOf } from '../../../src/api/registry.ts';
import { type FieldSet, note } from './accepted.ts';

/** A field that is set in a configuration: the object that has it, and under which key. */
export interface SetField {
  readonly typeName: string;
  /** Undefined for the message itself. */
  readonly field?: string;
  readonly holder: JsonObject;
  readonly key: string;
}

/** Struct that says which message it stands for. */
const WRAPPERS: ReadonlySet<string> = new Set(['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']);

/**
 * Calls `visit` with every message and every field of a configuration in JSON that is set to something else than its
 * default, inside of Any and TypedStruct as well.
 */
export function visitFields(schema: DescMessage, json: JsonObject, visit: (found: SetField) => void): void {
  if (WRAPPERS.has(schema.typeName)) {
    const inner = schemaOf(typeNameOf(String(json.type_url ?? json.typeUrl)));
    if (inner && isObject(json.value)) visitFields(inner, json.value, visit);
    return;
  }
  visit({ typeName: schema.typeName, holder: json, key: '' });
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field === undefined || isDefault(field, value)) continue;
    visit({ typeName: schema.typeName, field: field.name, holder: json, key });
    const { message } = field;
    if (message === undefined) continue;
    const values =
      field.fieldKind === 'list'
        ? (value as JsonValue[])
        : field.fieldKind === 'map'
          ? Object.values(value as JsonObject)
          : [value];
    for (const each of values) visitMessage(message, each, visit);
  }
}

function visitMessage(schema: DescMessage, json: JsonValue, visit: (found: SetField) => void): void {
  if (!isObject(json)) return;
  if (schema.typeName === 'google.protobuf.Any') {
    const inner = schemaOf(typeNameOf(String(json['@type'])));
    if (inner === undefined) return;
    // What JSON writes in another way than as an object of fields stands under `value`.
    if (inner.typeName.startsWith('google.protobuf.')) return;
    visitFields(inner, json, visit);
  } else if (!schema.typeName.startsWith('google.protobuf.')) visitFields(schema, json, visit);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDefault(field: DescField, value: JsonValue): boolean {
  if (value === null) return true;
  if (field.fieldKind === 'list') return (value as JsonValue[]).length === 0;
  if (field.fieldKind === 'map') return Object.keys(value as JsonObject).length === 0;
  if (field.fieldKind === 'message' || field.oneof !== undefined) return false;
  if (field.fieldKind === 'enum') return value === 0 || value === field.enum.values[0].name;
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) return value === '';
  if (field.scalar === ScalarType.BOOL) return value === false;
  return Number(value) === 0;
}

/** The messages and fields that a configuration sets. */
export function setFields(schema: DescMessage, json: JsonObject): FieldSet {
  const fields: FieldSet = new Map();
  visitFields(schema, json, ({ typeName, field }) => note(fields, typeName, field));
  return fields;
}

/** The same configuration without a field, wherever it is set. */
export function withoutField(schema: DescMessage, json: JsonObject, typeName: string, field: string): JsonObject {
  const copy = structuredClone(json);
  const found: SetField[] = [];
  visitFields(schema, copy, (one) => {
    if (one.typeName === typeName && one.field === field) found.push(one);
  });
  for (const { holder, key } of found) delete holder[key];
  return copy;
}

/** {@link withoutField} for the field that TWIN_WITHOUT names, or the same: a twin test must fail for want of it. */
export function withoutNamedField(schema: DescMessage, json: JsonObject): JsonObject {
  const name = process.env.TWIN_WITHOUT;
  if (name === undefined) return json;
  const dot = name.lastIndexOf('.');
  return withoutField(schema, json, name.slice(0, dot), name.slice(dot + 1));
}
