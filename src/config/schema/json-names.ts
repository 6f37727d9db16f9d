import type { ArraySchema, MapSchema } from './collections.ts';
import { isRecord, jsonName, type ObjectSchema } from './object.ts';
import type { Schema } from './schema.ts';

/**
 * A value that a schema accepts, otherwise as it was written, with each field under its JSON name: for what is laid over
 * another value, in which the field may stand under another of its spellings.
 */
export function withJsonNames(schema: Schema<unknown>, value: unknown): unknown {
  switch (schema.type) {
    case 'object': {
      const { fields, options } = schema as ObjectSchema<Readonly<Record<string, Schema<unknown>>>>;
      const aliases: Readonly<Record<string, string>> = options.aliases ?? {};
      if (!isRecord(value)) return value;
      return Object.fromEntries(
        Object.entries(value).map(([key, given]) => {
          const name = Object.hasOwn(fields, key) ? key : (aliases[key] ?? jsonName(key));
          const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
          return field === undefined ? [key, given] : [name, withJsonNames(field, given)];
        }),
      );
    }
    case 'map': {
      const { values } = schema as MapSchema<unknown>;
      if (!isRecord(value)) return value;
      return Object.fromEntries(Object.entries(value).map(([key, given]) => [key, withJsonNames(values, given)]));
    }
    case 'array': {
      const { items } = schema as ArraySchema<unknown>;
      return Array.isArray(value) ? value.map((item) => withJsonNames(items, item)) : value;
    }
    default:
      return value;
  }
}
