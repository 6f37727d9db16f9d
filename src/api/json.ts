import { type DescField, type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { messageOf } from '../base/errors.ts';
import { registry, schemaOf, typeNameOf } from './registry.ts';

/** Something wrong in a JSON document, and where: keys as they were written, indexes for lists. */
export interface JsonProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** A key that is no field: all that is wrong is that it has no effect. */
  readonly unknown?: true;
}

/**
 * Reads a message from JSON, strictly: a key that is no field is a problem with its path, inside of Any as well. Both
 * spellings of a field are taken, `typed_config` and `typedConfig`. Collects every problem; the message is there only
 * if there are none, or with `allowUnknown` none but keys that are no fields, which are told beside it.
 */
export function messageFromJson<Desc extends DescMessage>(
  schema: Desc,
  json: JsonValue,
  { allowUnknown = false }: { readonly allowUnknown?: boolean } = {},
): { message: MessageShape<Desc>; unknown: JsonProblem[] } | { problems: JsonProblem[] } {
  const problems: JsonProblem[] = [];
  checkMessage(schema, json, [], problems);
  const fatal = allowUnknown ? problems.filter(({ unknown }) => !unknown) : problems;
  if (fatal.length > 0) return { problems: fatal };
  try {
    return { message: fromJson(schema, json, { registry, ignoreUnknownFields: allowUnknown }), unknown: problems };
  } catch (error) {
    return { problems: [{ path: [], message: messageOf(error) }] };
  }
}

type Path = readonly (string | number)[];

function checkMessage(schema: DescMessage, json: JsonValue, path: Path, problems: JsonProblem[]): void {
  if (schema.typeName.startsWith('google.protobuf.')) {
    if (schema.typeName === 'google.protobuf.Any') checkAny(json, path, problems);
    else checkLeaf(schema, json, path, problems);
    return;
  }
  if (!isObject(json)) {
    problems.push({ path, message: `expected an object (${schema.typeName}), found ${kindOf(json)}` });
    return;
  }
  for (const [key, value] of Object.entries(json)) {
    if (key === '@type') continue;
    const field = schema.fields.find((f) => f.jsonName === key || f.name === key);
    if (field === undefined) {
      problems.push({ path: [...path, key], message: `unknown field${suggest(key, schema)}`, unknown: true });
    } else if (value !== null) {
      checkField(field, value, [...path, key], problems);
    }
  }
}

function checkField(field: DescField, value: JsonValue, path: Path, problems: JsonProblem[]): void {
  switch (field.fieldKind) {
    case 'message':
      checkMessage(field.message, value, path, problems);
      return;
    case 'list':
      if (!Array.isArray(value)) {
        problems.push({ path, message: `expected a list, found ${kindOf(value)}` });
        return;
      }
      value.forEach((item, i) => {
        if (field.listKind === 'message') checkMessage(field.message, item, [...path, i], problems);
        else if (field.listKind === 'enum') checkEnum(field.enum.values, item, [...path, i], problems);
      });
      return;
    case 'map':
      if (!isObject(value)) {
        problems.push({ path, message: `expected a map, found ${kindOf(value)}` });
        return;
      }
      if (field.mapKind !== 'message') return;
      for (const [key, item] of Object.entries(value)) checkMessage(field.message, item, [...path, key], problems);
      return;
    case 'enum':
      checkEnum(field.enum.values, value, path, problems);
      return;
    default:
      if (typeof value === 'object')
        problems.push({ path, message: `expected a single value, found ${kindOf(value)}` });
  }
}

function checkEnum(
  values: readonly { readonly name: string; readonly number: number }[],
  value: JsonValue,
  path: Path,
  problems: JsonProblem[],
): void {
  if (typeof value === 'number' || values.some((v) => v.name === value)) return;
  problems.push({
    path,
    message: `unknown value ${JSON.stringify(value)}; one of ${values.map((v) => v.name).join(', ')}`,
  });
}

function checkAny(json: JsonValue, path: Path, problems: JsonProblem[]): void {
  if (!isObject(json)) {
    problems.push({ path, message: `expected an object with @type, found ${kindOf(json)}` });
    return;
  }
  const typeUrl = json['@type'];
  if (typeof typeUrl !== 'string') {
    if (Object.keys(json).length > 0) problems.push({ path, message: '@type is missing' });
    return;
  }
  const schema = schemaOf(typeNameOf(typeUrl));
  if (schema === undefined) {
    problems.push({ path: [...path, '@type'], message: `unknown type ${typeUrl}` });
  } else if (schema.typeName.startsWith('google.protobuf.')) {
    if ('value' in json) checkMessage(schema, json.value!, [...path, 'value'], problems);
  } else checkMessage(schema, json, path, problems);
}

/** Wrappers, durations and the like have JSON forms of their own; the library knows them, and here is the path. */
function checkLeaf(schema: DescMessage, json: JsonValue, path: Path, problems: JsonProblem[]): void {
  try {
    fromJson(schema, json, { registry });
  } catch (error) {
    problems.push({ path, message: messageOf(error).replace(/^cannot decode (message|field) [\w.]+ from JSON: /, '') });
  }
}

function isObject(json: JsonValue): json is Record<string, JsonValue> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function kindOf(json: JsonValue): string {
  if (json === null) return 'null';
  if (Array.isArray(json)) return 'a list';
  return typeof json === 'object' ? 'an object' : `the ${typeof json} ${JSON.stringify(json)}`;
}

function suggest(key: string, schema: DescMessage): string {
  const flat = (text: string) => text.toLowerCase().replaceAll('_', '');
  let best: string | undefined;
  let bestDistance = 3;
  for (const { name } of schema.fields) {
    const distance = editDistance(flat(key), flat(name), bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best ? `; did you mean ${best}?` : ` of ${schema.typeName}`;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
