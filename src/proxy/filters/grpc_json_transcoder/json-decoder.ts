import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type Message,
  type Registry,
  ScalarType,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { JsonMembers, JsonNumber, type JsonTree, plainJson, TranscodeError } from './json-reader.ts';
import { formatDouble } from './json-writer.ts';

export interface DecodeOptions {
  /** For what an Any holds. */
  readonly registry: Registry;
  readonly caseInsensitiveEnums: boolean;
}

const WRAPPER = /^google\.protobuf\.(?:Double|Float|U?Int(?:32|64)|Bool|String|Bytes)Value$/;
/** Types whose JSON is a string. */
const TEXTS: ReadonlySet<string> = new Set([
  'google.protobuf.Timestamp',
  'google.protobuf.Duration',
  'google.protobuf.FieldMask',
]);
const STRUCTS: ReadonlySet<string> = new Set([
  'google.protobuf.Struct',
  'google.protobuf.ListValue',
  'google.protobuf.Value',
]);
const MAX_FLOAT = 3.4028234663852886e38;
/** Above the largest float, and nearer to it than to what comes next. */
const FLOAT_OVERFLOW = 3.4028235677973366e38;

/**
 * Writes JSON into a message as protobuf's ProtoStreamObjectWriter does: unknown members are passed over, null leaves a
 * field alone, a value may stand for a list of one. The last thing that is wrong is what counts.
 */
export class JsonDecoder {
  readonly #options: DecodeOptions;
  #problem: string | undefined = undefined;

  constructor(options: DecodeOptions) {
    this.#options = options;
  }

  /** Throws a {@link TranscodeError}. */
  decode(schema: DescMessage, tree: JsonTree, into: Message): void {
    if (!(tree instanceof JsonMembers) && !hasOwnJson(schema)) this.#structure('', 'Root element must be a message.');
    else this.#message(reflect(schema, into), tree, '');
    this.check();
  }

  /** Writes one value, such as a path's or a query's, into a field as if it had come as a JSON string. */
  decodeText(message: ReflectMessage, field: DescField, text: string, path: string): void {
    this.#field(message, field, text, path);
    this.check();
  }

  check(): void {
    if (this.#problem !== undefined) throw new TranscodeError(this.#problem);
  }

  #invalid(path: string, value: string, type: string): void {
    this.#problem = `${path}: invalid value ${value} for type ${type}`;
  }

  #structure(path: string, message: string): void {
    this.#problem = `${path}: ${message}`;
  }

  #message(message: ReflectMessage, tree: JsonTree, path: string): void {
    const { desc } = message;
    if (hasOwnJson(desc) && this.#ownJson(message, tree, path)) return;
    if (!(tree instanceof JsonMembers)) {
      this.#invalid(path, show(tree), `type.googleapis.com/${desc.typeName}`);
      return;
    }
    for (const [key, value] of tree.entries) {
      const field = fieldByName(desc, key);
      if (field === undefined) continue;
      this.#field(message, field, value, path === '' ? key : `${path}.${key}`, path);
    }
  }

  /** Types that have a JSON of their own; false for one that is written out like any other message. */
  #ownJson(message: ReflectMessage, tree: JsonTree, path: string): boolean {
    const { desc } = message;
    if (WRAPPER.test(desc.typeName)) {
      if (tree instanceof JsonMembers) return false;
      this.#field(message, desc.fields[0], tree, path === '' ? 'value' : `${path}.value`);
      return true;
    }
    if (TEXTS.has(desc.typeName) && tree instanceof JsonMembers) return false;
    let json = plainJson(tree);
    if (desc.typeName === 'google.protobuf.FieldMask' && typeof json === 'string') {
      json = json.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    }
    try {
      const value = fromJson(desc, json, { registry: this.#options.registry, ignoreUnknownFields: true });
      Object.assign(message.message, value);
    } catch {
      this.#invalid(path, show(tree), `type.googleapis.com/${desc.typeName}`);
    }
    return true;
  }

  #field(message: ReflectMessage, field: DescField, tree: JsonTree, path: string, parent = ''): void {
    const takesNull = field.message?.typeName === 'google.protobuf.Value';
    if (tree === null && !(takesNull && field.fieldKind === 'message')) return;
    if (field.fieldKind === 'list') {
      this.#list(message, field, tree, path, parent);
      return;
    }
    if (field.fieldKind === 'map') {
      this.#map(message, field, tree, path, parent);
      return;
    }
    const { oneof } = field;
    if (oneof !== undefined && !isSynthetic(field)) {
      if (oneof.fields.some((other) => other !== field && message.isSet(other))) {
        this.#invalid(
          parent,
          `oneof field '${oneof.name}' is already set. Cannot set '${path.slice(path.lastIndexOf('.') + 1)}'`,
          'oneof',
        );
        return;
      }
    }
    if (Array.isArray(tree) && !(field.message && STRUCTS.has(field.message.typeName))) {
      this.#structure(parent, 'Proto field is not repeating, cannot start list.');
      return;
    }
    const value = this.#single(field, tree, path, parent, () => message.get(field) as ReflectMessage);
    if (value !== undefined) message.set(field, value);
  }

  /** The value of a field that is not repeated, or undefined with a problem. */
  #single(
    field: DescField,
    tree: JsonTree,
    path: string,
    parent: string,
    nested: () => ReflectMessage,
  ): unknown | undefined {
    if (field.message !== undefined) {
      const message = nested();
      this.#message(message, tree, path);
      return message;
    }
    if (tree instanceof JsonMembers) {
      const name = path.slice(path.lastIndexOf('.') + 1).replace(/\[\d+\]$/, '');
      this.#invalid(parent, 'Starting an object on a scalar field', name);
      return undefined;
    }
    return field.enum === undefined ? this.#scalar(field.scalar!, tree, path) : this.#enumValue(field.enum, tree, path);
  }

  #list(
    message: ReflectMessage,
    field: DescField & { fieldKind: 'list' },
    tree: JsonTree,
    path: string,
    parent: string,
  ): void {
    const list = message.get(field);
    let i = 0;
    const add = (item: JsonTree): void => {
      if (Array.isArray(item) && !(field.message && STRUCTS.has(field.message.typeName))) {
        // Lists within a list are run together.
        for (const inner of item) add(inner);
        return;
      }
      if (item === null && field.message?.typeName !== 'google.protobuf.Value') return;
      const at = Array.isArray(tree) ? `${path}[${i++}]` : path;
      const value = this.#single(field, item, at, Array.isArray(tree) ? path : parent, () =>
        newMessage(field.message!),
      );
      if (value !== undefined) list.add(value);
    };
    if (Array.isArray(tree)) for (const item of tree) add(item);
    else add(tree);
  }

  #map(
    message: ReflectMessage,
    field: DescField & { fieldKind: 'map' },
    tree: JsonTree,
    path: string,
    parent: string,
  ): void {
    if (!(tree instanceof JsonMembers)) {
      const what = Array.isArray(tree) ? 'list' : 'scalar';
      this.#invalid(parent, `Cannot bind a ${what} to map for field '${path}'.`, 'Map');
      return;
    }
    const map = message.get(field);
    tree.entries.forEach(([name, item], i) => {
      const key = this.#scalar(field.mapKey, name, `${path}[${i}].key`);
      if (key === undefined) return;
      const at = `${path}["${name}"]`;
      let value: unknown;
      if (field.message !== undefined) {
        const nested = newMessage(field.message);
        if (item !== null) this.#message(nested, item, at);
        value = nested;
      } else if (item === null) value = zero(field.scalar ?? ScalarType.INT32);
      else if (item instanceof JsonMembers) this.#invalid(path, 'Starting an object on a scalar field', name);
      else if (field.enum) value = this.#enumValue(field.enum, item, at);
      else value = this.#scalar(field.scalar!, item, at);
      if (value !== undefined) map.set(key, value);
    });
  }

  #enumValue(type: DescEnum, tree: JsonTree, path: string): number | undefined {
    if (tree instanceof JsonNumber && inRange(tree.value, -(2 ** 31), 2 ** 31 - 1)) {
      if (type.open || type.value[tree.value] !== undefined) return tree.value;
    }
    if (typeof tree === 'string') {
      const { caseInsensitiveEnums } = this.#options;
      const name = caseInsensitiveEnums ? tree.toUpperCase().replaceAll('-', '_') : tree;
      const number = /^[-+]?\d{1,10}$/.test(tree) ? Number(tree) : undefined;
      const found = type.values.find(
        (v) => v.name === tree || v.number === number || (caseInsensitiveEnums && v.name.toUpperCase() === name),
      );
      if (found !== undefined) return found.number;
    }
    this.#invalid(path, show(tree), `type.googleapis.com/${type.typeName}`);
    return undefined;
  }

  #scalar(type: ScalarType, tree: JsonTree, path: string): unknown | undefined {
    const value = scalarOf(type, tree);
    if (value === undefined) this.#invalid(path, show(tree), `TYPE_${ScalarType[type]}`);
    return value;
  }
}

/** An `optional` of proto3 lies in a oneof of its own, which is none to the user. */
function isSynthetic(field: DescField): boolean {
  return field.proto.proto3Optional;
}

function hasOwnJson({ typeName }: DescMessage): boolean {
  return (
    typeName.startsWith('google.protobuf.') &&
    (WRAPPER.test(typeName) || TEXTS.has(typeName) || STRUCTS.has(typeName) || typeName === 'google.protobuf.Any')
  );
}

/** A field by the name in the .proto file or by its JSON name. */
export function fieldByName(desc: DescMessage, name: string): DescField | undefined {
  return desc.fields.find((field) => field.name === name) ?? desc.fields.find((field) => field.jsonName === name);
}

/** An empty message of a type that is known by its descriptor only. */
export function newMessage(desc: DescMessage): ReflectMessage {
  return reflect(desc);
}

function show(tree: JsonTree): string {
  if (typeof tree === 'string') return `"${tree}"`;
  if (tree instanceof JsonNumber) return /^-?\d+$/.test(tree.text) ? tree.text : formatDouble(tree.value);
  return tree instanceof JsonMembers ? 'of an object' : Array.isArray(tree) ? 'of a list' : String(tree);
}

const inRange = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most;

function scalarOf(type: ScalarType, tree: JsonTree): unknown | undefined {
  switch (type) {
    case ScalarType.STRING:
      return typeof tree === 'string' && tree.isWellFormed() ? tree : undefined;
    case ScalarType.BOOL:
      return typeof tree === 'string' ? boolOf(tree) : typeof tree === 'boolean' ? tree : undefined;
    case ScalarType.BYTES:
      return typeof tree === 'string' ? bytesOf(tree) : undefined;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return floatOf(type, tree);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integerOf(tree, 0n, 2n ** 32n - 1n, Number);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return integerOf(tree, 0n, 2n ** 64n - 1n, BigInt);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return integerOf(tree, -(2n ** 63n), 2n ** 63n - 1n, BigInt);
    default:
      return integerOf(tree, -(2n ** 31n), 2n ** 31n - 1n, Number);
  }
}

function integerOf<T>(tree: JsonTree, least: bigint, most: bigint, make: (value: bigint) => T): T | undefined {
  let value: bigint;
  if (typeof tree === 'string') {
    if (!/^[-+]?\d{1,20}$/.test(tree)) return undefined;
    value = BigInt(tree.startsWith('+') ? tree.slice(1) : tree);
  } else if (tree instanceof JsonNumber) {
    if (/^-?\d{1,20}$/.test(tree.text)) value = BigInt(tree.text);
    else if (Number.isInteger(tree.value)) value = BigInt(tree.value);
    else return undefined;
  } else return undefined;
  return value < least || value > most ? undefined : make(value);
}

function floatOf(type: ScalarType, tree: JsonTree): number | undefined {
  let value: number;
  if (tree instanceof JsonNumber) ({ value } = tree);
  else if (typeof tree !== 'string') return undefined;
  else if (tree === 'NaN' || tree === 'Infinity' || tree === '-Infinity') return Number(tree);
  else if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(tree)) value = Number(tree);
  else return undefined;
  if (!Number.isFinite(value)) return undefined;
  if (type === ScalarType.DOUBLE) return value;
  if (Math.abs(value) >= FLOAT_OVERFLOW) return undefined;
  return Math.abs(value) > MAX_FLOAT ? Math.sign(value) * MAX_FLOAT : value;
}

function boolOf(text: string): boolean | undefined {
  if (/^(?:true|t|yes|y|1)$/i.test(text)) return true;
  return /^(?:false|f|no|n|0)$/i.test(text) ? false : undefined;
}

/** Base64 in either alphabet, with or without padding. */
function bytesOf(text: string): Uint8Array | undefined {
  if (!/^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/.test(text)) return undefined;
  const digits = text.replace(/=+$/, '');
  if (digits.length % 4 === 1) return undefined;
  return new Uint8Array(Buffer.from(digits.replaceAll('-', '+').replaceAll('_', '/'), 'base64'));
}

function zero(type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return '';
    case ScalarType.BOOL:
      return false;
    case ScalarType.BYTES:
      return new Uint8Array(0);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return 0n;
    default:
      return 0;
  }
}
