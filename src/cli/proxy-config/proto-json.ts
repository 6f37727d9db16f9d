import { type DescEnum, type DescField, type DescMessage, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { schemaOf, typeNameOf } from '../../api/registry.ts';
import { UserError } from '../../base/errors.ts';
import { FreeForm, type Message, type Printable } from '../output/json.ts';

/**
 * Brings the JSON of a message into the one form that protobuf's JSON mapping prints: fields under their camelCase names in
 * the order in which their .proto file declares them, without those that say nothing, numbers of 64 bits as strings,
 * durations and times with 0, 3, 6 or 9 digits. Takes both spellings of names. What our copy of the API does not know is
 * kept as it came, behind the rest: a proxy may be newer. Throws a UserError with the field path where a value cannot be
 * of its field's type.
 */
export function canonicalMessage(schema: DescMessage, json: JsonValue, path = ''): Message {
  const object = objectAt(json, path);
  const result: Record<string, Printable> = {};
  const known = new Set<string>(['@type']);
  for (const field of schema.fields) {
    known.add(field.jsonName).add(field.name);
    const value = object[field.jsonName] ?? object[field.name] ?? null;
    const canonical = value === null ? undefined : canonicalField(field, value, `${path}.${field.jsonName}`);
    if (canonical !== undefined) result[field.jsonName] = canonical;
  }
  for (const [key, value] of Object.entries(object)) {
    if (!known.has(key) && value !== null) result[key] = plainJson(value);
  }
  return result;
}

/** JSON that has no schema, as it is. */
export function plainJson(json: JsonValue): Printable {
  if (Array.isArray(json)) return json.map(plainJson);
  if (json === null || typeof json !== 'object') return json;
  return new Map(Object.entries(json).map(([key, value]) => [key, plainJson(value)]));
}

function canonicalField(field: DescField, json: JsonValue, path: string): Printable | undefined {
  switch (field.fieldKind) {
    case 'list': {
      if (!Array.isArray(json)) throw wrong(path, 'a list', json);
      const items = json.map((item, i) => canonicalItem(field, item, `${path}[${i}]`));
      const known = items.filter((item) => item !== undefined);
      return known.length > 0 ? known : undefined;
    }
    case 'map': {
      const known = new Map<string, Printable>();
      for (const [key, value] of Object.entries(objectAt(json, path))) {
        const item = canonicalItem(field, value, `${path}[${JSON.stringify(key)}]`);
        if (item !== undefined) known.set(key, item);
      }
      return known.size > 0 ? known : undefined;
    }
    case 'message':
      return canonicalValue(field.message, json, path);
    case 'enum': {
      const name = canonicalEnum(field.enum, json, path);
      return isImplicit(field) && name === field.enum.value[0]?.name ? undefined : name;
    }
    case 'scalar': {
      const value = canonicalScalar(field.scalar, json, path);
      return isImplicit(field) && isZero(field.scalar, value) ? undefined : value;
    }
  }
}

function isImplicit(field: DescField): boolean {
  return field.presence === FeatureSet_FieldPresence.IMPLICIT;
}

function isZero(type: ScalarType, value: Printable): boolean {
  if (is64Bit(type)) return value === '0';
  return value === '' || value === false || Object.is(value, 0);
}

function canonicalItem(
  field: DescField & { fieldKind: 'list' | 'map' },
  json: JsonValue,
  path: string,
): Printable | undefined {
  if (field.message) return canonicalValue(field.message, json, path);
  return field.enum ? canonicalEnum(field.enum, json, path) : canonicalScalar(field.scalar, json, path);
}

/** A value of a message type, some of which have JSON forms of their own. */
function canonicalValue(schema: DescMessage, json: JsonValue, path: string): Printable {
  switch (schema.typeName) {
    case 'google.protobuf.Any':
      return canonicalAny(json, path);
    case 'google.protobuf.Duration':
      return canonicalDuration(json, path);
    case 'google.protobuf.Timestamp':
      return canonicalTimestamp(json, path);
    case 'google.protobuf.FieldMask':
      return stringAt(json, path);
    case 'google.protobuf.Struct':
      objectAt(json, path);
      return new FreeForm(plainJson(json));
    case 'google.protobuf.Value':
    case 'google.protobuf.ListValue':
      return new FreeForm(plainJson(json));
  }
  const wrapped = schema.typeName.startsWith('google.protobuf.') && WRAPPER.test(schema.typeName);
  return wrapped
    ? (canonicalField(schema.fields[0], json, path) ?? zeroOf(schema))
    : canonicalMessage(schema, json, path);
}

const WRAPPER = /(?:Bool|String|Bytes|U?Int(?:32|64)|Double|Float)Value$/;

function zeroOf({ fields: [field] }: DescMessage): Printable {
  const type = field.scalar!;
  if (type === ScalarType.BOOL) return false;
  return type === ScalarType.STRING || type === ScalarType.BYTES ? '' : is64Bit(type) ? '0' : 0;
}

function canonicalAny(json: JsonValue, path: string): Message {
  const object = objectAt(json, path);
  const typeUrl = object['@type'];
  if (typeof typeUrl !== 'string') return {};
  const schema = schemaOf(typeNameOf(typeUrl));
  if (schema === undefined) {
    const { '@type': _, ...rest } = object;
    return { '@type': typeUrl, ...Object.fromEntries(Object.entries(rest).map(([k, v]) => [k, plainJson(v)])) };
  }
  if (schema.typeName.startsWith('google.protobuf.')) {
    return { '@type': typeUrl, value: canonicalValue(schema, object.value ?? {}, `${path}.value`) };
  }
  return { '@type': typeUrl, ...canonicalMessage(schema, json, path) };
}

/** Nothing for a name that the enum does not have. */
function canonicalEnum(desc: DescEnum, json: JsonValue, path: string): Printable | undefined {
  if (desc.typeName === 'google.protobuf.NullValue') return null;
  if (typeof json === 'number') return desc.value[json]?.name ?? json;
  const name = stringAt(json, path);
  return desc.values.some((value) => value.name === name) ? name : undefined;
}

function canonicalScalar(type: ScalarType, json: JsonValue, path: string): Printable {
  switch (type) {
    case ScalarType.STRING:
      return stringAt(json, path);
    case ScalarType.BYTES:
      return Buffer.from(stringAt(json, path), 'base64').toString('base64');
    case ScalarType.BOOL:
      if (typeof json !== 'boolean') throw wrong(path, 'true or false', json);
      return json;
    case ScalarType.FLOAT:
      return shortestFloat(numberAt(json, path));
    case ScalarType.DOUBLE:
      return finiteOrName(numberAt(json, path));
    default:
      return is64Bit(type) ? integer64(json, path) : integer32(json, path);
  }
}

function is64Bit(type: ScalarType): boolean {
  return [ScalarType.INT64, ScalarType.UINT64, ScalarType.SINT64, ScalarType.FIXED64, ScalarType.SFIXED64].includes(
    type,
  );
}

function integer32(json: JsonValue, path: string): number {
  const value = numberAt(json, path);
  if (!Number.isInteger(value)) throw wrong(path, 'a whole number', json);
  return value;
}

function integer64(json: JsonValue, path: string): string {
  if (typeof json === 'string' && /^-?\d{1,20}$/.test(json)) return String(BigInt(json));
  return String(BigInt(integer32(json, path)));
}

function numberAt(json: JsonValue, path: string): number {
  if (typeof json === 'number') return json;
  const value = typeof json === 'string' && json.trim() !== '' ? Number(json) : Number.NaN;
  if (Number.isNaN(value) && json !== 'NaN') throw wrong(path, 'a number', json);
  return value;
}

function finiteOrName(value: number): Printable {
  return Number.isFinite(value) ? value : String(value);
}

/** The shortest number that reads back as the same 32-bit float. */
function shortestFloat(value: number): Printable {
  const float = Math.fround(value);
  if (!Number.isFinite(float)) return String(float);
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(float.toPrecision(digits));
    if (Math.fround(shorter) === float) return shorter;
  }
  return Number(float.toPrecision(9));
}

const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

function canonicalDuration(json: JsonValue, path: string): string {
  const match = DURATION.exec(stringAt(json, path));
  if (match === null) throw wrong(path, 'a duration such as 1.5s', json);
  const [, sign, seconds, fraction] = match;
  const text = `${BigInt(seconds)}${trimFraction(fraction)}`;
  return `${/[1-9]/.test(text) ? sign : ''}${text}s`;
}

const TIMESTAMP = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

function canonicalTimestamp(json: JsonValue, path: string): string {
  const match = TIMESTAMP.exec(stringAt(json, path));
  const ms = match && Date.parse(`${match[1]}T${match[2]}${match[4].toUpperCase()}`);
  if (match === null || Number.isNaN(ms)) throw wrong(path, 'a time such as 2006-01-02T15:04:05Z', json);
  return `${new Date(ms!).toISOString().slice(0, 19)}${trimFraction(match[3])}Z`;
}

/** No digits, or 3, 6 or 9. */
function trimFraction(digits = ''): string {
  const significant = digits.replace(/0+$/, '').length;
  return significant === 0 ? '' : `.${digits.padEnd(9, '0').slice(0, Math.ceil(significant / 3) * 3)}`;
}

function stringAt(json: JsonValue, path: string): string {
  if (typeof json !== 'string') throw wrong(path, 'a string', json);
  return json;
}

function objectAt(json: JsonValue, path: string): { [key: string]: JsonValue } {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw wrong(path, 'an object', json);
  return json;
}

function wrong(path: string, wanted: string, json: JsonValue): UserError {
  const found = JSON.stringify(json);
  const shown = found.length > 60 ? `${found.slice(0, 60)}...` : found;
  return new UserError(`${path.replace(/^\./, '') || 'the document'} must be ${wanted}, and is ${shown}`);
}
