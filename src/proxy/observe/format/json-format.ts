import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { wireForm } from '../../../base/bytes.ts';
import type { StreamInfo } from '../stream-info.ts';
import { compileFormat } from './format.ts';

export interface JsonFormatOptions {
  /** Leave out what has no value instead of writing null. */
  readonly omitEmpty: boolean;
  /** Keys in alphabetical order, as Envoy writes them. */
  readonly sort: boolean;
}

type Part = (info: StreamInfo) => JsonValue | undefined;

/**
 * Compiles a `json_format`: strings are formats, and one that is a single operator keeps the operator's type. Throws an
 * Error that says what is wrong.
 */
export function compileJsonFormat(struct: JsonObject, options: JsonFormatOptions): (info: StreamInfo) => string {
  const part = objectPart(struct, options);
  return (info) => {
    const json = JSON.stringify(part(info));
    return json.includes('\\udc') ? json.replace(KEPT_BYTE, (all, hex?: string) => (hex ? `\\u00${hex}` : all)) : json;
  };
}

/** A byte that is kept as a lone surrogate, as JSON.stringify writes it; and an escaped backslash, which begins none. */
const KEPT_BYTE = /\\(?:\\|udc([0-9a-f]{2}))/g;

/** As in Envoy, a value that is not UTF-8 as a whole is told byte by byte, with what is special to JSON in the same way. */
function bytewise(text: string): string {
  if (text.isWellFormed()) return text;
  return wireForm(text).replace(/[\x00-\x1f"\\\x7f-\xff]/g, (byte) => String.fromCharCode(0xdc00 + byte.charCodeAt(0)));
}

function valuePart(value: JsonValue, options: JsonFormatOptions): Part {
  if (typeof value === 'string') return textPart(value);
  if (typeof value !== 'object' || value === null) return () => value;
  if (Array.isArray(value)) {
    const parts = value.map((item) => valuePart(item, options));
    return (info) => parts.map((p) => p(info) ?? null);
  }
  return objectPart(value, options);
}

function textPart(text: string): Part {
  const format = compileFormat(text);
  const { single, constant } = format;
  if (constant !== undefined) return () => constant;
  if (single) {
    return (info) => {
      const value = single(info) as JsonValue | undefined;
      return typeof value === 'string' ? bytewise(value) : value;
    };
  }
  return (info) => format.render(info, '-', bytewise);
}

function objectPart(struct: JsonObject, options: JsonFormatOptions): Part {
  const entries = Object.entries(struct).map(([key, value]) => [key, valuePart(value, options)] as const);
  if (options.sort) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return (info) => {
    const object: JsonObject = {};
    for (const [key, part] of entries) {
      const value = part(info);
      if (value !== undefined) object[key] = value;
      else if (!options.omitEmpty) object[key] = null;
    }
    return object;
  };
}
