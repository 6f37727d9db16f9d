import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonValue,
  type Message,
  type Registry,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

/** `GrpcJsonTranscoder.PrintOptions`, as far as single messages go. */
export interface PrintOptions {
  readonly addWhitespace: boolean;
  readonly alwaysPrintPrimitiveFields: boolean;
  readonly alwaysPrintEnumsAsInts: boolean;
  readonly preserveProtoFieldNames: boolean;
}

/** What is written: text of a single value, or members or elements with an indentation of their own. */
type Out = string | { readonly open: '{' | '['; readonly items: readonly (readonly [key: string | undefined, Out])[] };

/** Types with a JSON of their own, which protobuf-es knows. */
const OWN_JSON =
  /^google\.protobuf\.(?:Any|Timestamp|Duration|FieldMask|Struct|Value|ListValue|(?:Double|Float|U?Int(?:32|64)|Bool|String|Bytes)Value)$/;

/** Prints messages as JSON, as protobuf's JsonObjectWriter does. */
export class JsonWriter {
  readonly #options: PrintOptions;
  readonly #registry: Registry;

  /** `registry`: for what an Any holds. */
  constructor(options: PrintOptions, registry: Registry) {
    this.#options = options;
    this.#registry = registry;
  }

  /** Throws if the message holds an Any of a type that is not known. */
  print(schema: DescMessage, message: Message): string {
    const out = this.#message(reflect(schema, message));
    return this.#options.addWhitespace ? `${render(out, 0)}\n` : render(out, undefined);
  }

  #message(message: ReflectMessage): Out {
    if (OWN_JSON.test(message.desc.typeName)) return this.#ownJson(message);
    const items: [string, Out][] = [];
    for (const field of message.sortedFields) {
      if (!message.isSet(field) && !this.#alwaysPrinted(field)) continue;
      items.push([this.#options.preserveProtoFieldNames ? field.name : field.jsonName, this.#field(message, field)]);
    }
    return { open: '{', items };
  }

  /** Fields whose absence cannot be told from their default, and lists and maps. */
  #alwaysPrinted(field: DescField): boolean {
    if (!this.#options.alwaysPrintPrimitiveFields || field.oneof !== undefined) return false;
    return field.fieldKind !== 'message' && !field.proto.proto3Optional;
  }

  #field(message: ReflectMessage, field: DescField): Out {
    switch (field.fieldKind) {
      case 'list': {
        const items: [undefined, Out][] = [];
        for (const item of message.get(field)) items.push([undefined, this.#single(field, item)]);
        return { open: '[', items };
      }
      case 'map': {
        const items: [string, Out][] = [];
        for (const [key, value] of message.get(field)) items.push([String(key), this.#single(field, value)]);
        return { open: '{', items };
      }
      default:
        return this.#single(field, message.get(field));
    }
  }

  #single(field: DescField, value: unknown): Out {
    if (field.message !== undefined) return this.#message(value as ReflectMessage);
    return field.enum ? this.#enumValue(field.enum, value as number) : scalar(field.scalar!, value);
  }

  #enumValue(type: DescEnum, value: number): string {
    if (type.typeName === 'google.protobuf.NullValue') return 'null';
    const name = this.#options.alwaysPrintEnumsAsInts ? undefined : type.value[value]?.name;
    return name === undefined ? String(value) : quote(name);
  }

  #ownJson({ desc, message }: ReflectMessage): Out {
    const { alwaysPrintEnumsAsInts, preserveProtoFieldNames } = this.#options;
    const json = toJson(desc, message, {
      registry: this.#registry,
      enumAsInteger: alwaysPrintEnumsAsInts,
      useProtoFieldName: preserveProtoFieldNames,
    });
    return ofJson(json);
  }
}

function ofJson(json: JsonValue): Out {
  if (json === null || typeof json === 'boolean') return String(json);
  if (typeof json === 'number') return formatDouble(json);
  if (typeof json === 'string') return quote(json);
  if (Array.isArray(json)) return { open: '[', items: json.map((item) => [undefined, ofJson(item)]) };
  const items = Object.entries(json).map(([key, value]) => [key, ofJson(value)] as const);
  // The type of an Any stands first.
  return {
    open: '{',
    items: [...items.filter(([key]) => key === '@type'), ...items.filter(([key]) => key !== '@type')],
  };
}

function render(out: Out, depth: number | undefined): string {
  if (typeof out === 'string') return out;
  const { open, items } = out;
  const close = open === '{' ? '}' : ']';
  if (items.length === 0) return open + close;
  const inner = depth === undefined ? undefined : depth + 1;
  const colon = depth === undefined ? ':' : ': ';
  const parts = items.map(([key, value]) => (key === undefined ? '' : quote(key) + colon) + render(value, inner));
  if (depth === undefined) return open + parts.join(',') + close;
  const indent = `\n${' '.repeat(depth)}`;
  return `${open}${indent} ${parts.join(`,${indent} `)}${indent}${close}`;
}

function scalar(type: ScalarType, value: unknown): string {
  switch (type) {
    case ScalarType.STRING:
      return quote(value as string);
    case ScalarType.BYTES:
      return `"${Buffer.from(value as Uint8Array).toString('base64')}"`;
    case ScalarType.BOOL:
      return String(value);
    case ScalarType.FLOAT:
      return formatFloat(value as number);
    case ScalarType.DOUBLE:
      return formatDouble(value as number);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return `"${value}"`;
    default:
      return String(value);
  }
}

/** Characters that could end a script, are not shown, or turn the direction of text: escaped, as by protobuf. */
const UNSAFE =
  /[<>\u007f-\u009f\u00ad\u0600-\u0603\u06dd\u070f\u17b4\u17b5\u200b-\u200f\u2028-\u202e\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb]|\ud834[\udd73-\udd7a]|\udb40[\udc01\udc20-\udc7f]/g;

function quote(text: string): string {
  return JSON.stringify(text).replaceAll(UNSAFE, (found) =>
    [...Array(found.length).keys()].map((i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** As C's `%.15g` writes it, or `%.17g` where that loses something. */
export function formatDouble(value: number): string {
  return named(value) ?? shortest(value, 15, 17, (text) => Number(text) === value);
}

function formatFloat(value: number): string {
  return named(value) ?? shortest(value, 6, 9, (text) => Math.fround(Number(text)) === value);
}

function named(value: number): string | undefined {
  return Number.isFinite(value) ? undefined : `"${value}"`;
}

function shortest(value: number, few: number, many: number, exact: (text: string) => boolean): string {
  const text = general(value, few);
  return exact(text) ? text : general(value, many);
}

/** `%.*g` of C. */
function general(value: number, precision: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [digits, exponentText] = value.toExponential(precision - 1).split('e');
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < precision) return stripZeros(value.toFixed(precision - 1 - exponent));
  const sign = exponent < 0 ? '-' : '+';
  return `${stripZeros(digits)}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function stripZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
