import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { wireForm } from '../../../base/bytes.ts';
import type { StreamInfo } from '../stream-info.ts';
import { compileFormat } from './format.ts';

type Part = (info: StreamInfo) => JsonValue | undefined;

/**
 * Compiles a `json_format`: strings are formats, and one that is a single operator keeps the operator's type. Keys
 * come in alphabetical order, which is Envoy's whatever `sort_properties` says. `omitEmpty` leaves out what has no value,
 * and objects of nothing else, instead of writing null. Throws an Error that says what is wrong.
 */
export function compileJsonFormat(struct: JsonObject, omitEmpty: boolean): (info: StreamInfo) => string {
  const part = objectPart(struct, omitEmpty);
  return (info) => {
    const json = JSON.stringify(part(info) ?? {});
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

function valuePart(value: JsonValue, omitEmpty: boolean): Part {
  if (typeof value === 'string') return textPart(value, omitEmpty ? '' : '-');
  if (typeof value !== 'object' || value === null) return () => value;
  if (Array.isArray(value)) {
    const parts = value.map((item) => valuePart(item, omitEmpty));
    return (info) => {
      const items = parts.map((p) => p(info) ?? null);
      return omitEmpty ? items.filter((item) => item !== null) : items;
    };
  }
  return objectPart(value, omitEmpty);
}

function textPart(text: string, absent: string): Part {
  const format = compileFormat(text);
  const { single, constant } = format;
  if (constant !== undefined) return () => constant;
  if (single) {
    return (info) => {
      const value = single(info) as JsonValue | undefined;
      return typeof value === 'string' ? bytewise(value) : value;
    };
  }
  return (info) => format.render(info, absent, bytewise);
}

function objectPart(struct: JsonObject, omitEmpty: boolean): Part {
  const entries = Object.entries(struct)
    .map(([key, value]) => [key, valuePart(value, omitEmpty)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return (info) => {
    const object: JsonObject = {};
    for (const [key, part] of entries) {
      const value = part(info);
      if (value !== undefined) object[key] = value;
      else if (!omitEmpty) object[key] = null;
    }
    return omitEmpty && Object.keys(object).length === 0 ? undefined : object;
  };
}
