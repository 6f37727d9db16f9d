import { isRecord } from './object.ts';
import type { Infer, Schema } from './schema.ts';

export interface ArrayOptions {
  readonly minItems?: number;
  readonly maxItems?: number;
}

export interface ArraySchema<T> extends Schema<readonly T[]> {
  readonly type: 'array';
  readonly items: Schema<T>;
}

export function array<S extends Schema<unknown>>(items: S, options: ArrayOptions = {}): ArraySchema<Infer<S>> {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = options;
  const item = items as unknown as Schema<Infer<S>>;
  return {
    type: 'array',
    items: item,
    read(value, context) {
      if (!Array.isArray(value)) {
        context.error(`must be a list, not ${context.nameOf(value)}`);
        return undefined;
      }
      if (value.length < minItems)
        context.error(`must have at least ${minItems} ${minItems === 1 ? 'entry' : 'entries'}`);
      if (value.length > maxItems) context.error(`must have at most ${maxItems} entries, has ${value.length}`);
      const result: Infer<S>[] = [];
      for (let i = 0; i < value.length; i++) {
        context.path.push(i);
        if (value[i] === null || value[i] === undefined) context.error('must not be empty');
        else {
          const read = item.read(value[i], context);
          if (read !== undefined) result.push(read);
        }
        context.path.pop();
      }
      return result;
    },
  };
}

export interface MapOptions {
  /** Returns what is wrong with a key, as a clause, or undefined. */
  readonly key?: (key: string) => string | undefined;
}

export interface MapSchema<T> extends Schema<Readonly<Record<string, T>>> {
  readonly type: 'map';
  readonly values: Schema<T>;
}

/** Any keys, all values of one schema. */
export function map<S extends Schema<unknown>>(values: S, options: MapOptions = {}): MapSchema<Infer<S>> {
  const schema = values as unknown as Schema<Infer<S>>;
  const isLenient = values.type === 'string';
  return {
    type: 'map',
    values: schema,
    read(value, context) {
      if (!isRecord(value)) {
        context.error(`must be an object, not ${context.nameOf(value)}`);
        return undefined;
      }
      const result: Record<string, Infer<S>> = {};
      for (const key in value) {
        context.path.push(key);
        const wrong = options.key?.(key);
        if (wrong !== undefined) context.error(wrong);
        // Kubernetes takes a key without a value, as people write it in ConfigMaps, for an empty string.
        const given = value[key] ?? (isLenient && context.unknownFields === 'warning' ? '' : undefined);
        if (given === undefined) context.error('must not be empty');
        else {
          const read = schema.read(given, context);
          if (read !== undefined) setOwn(result, key, read);
        }
        context.path.pop();
      }
      return result;
    },
  };
}

/** Sets `key` as an own property, also when the key is `__proto__`, which people's YAML must not turn into a prototype. */
export function setOwn<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  else target[key] = value;
}

export interface StructSchema extends Schema<Readonly<Record<string, unknown>>> {
  readonly type: 'struct';
}

/** An object of any content: google.protobuf.Struct, and whatever is somebody else's to check. */
export function struct(): StructSchema {
  return {
    type: 'struct',
    read(value, context) {
      if (isRecord(value)) return value;
      context.error(`must be an object, not ${context.nameOf(value)}`);
      return undefined;
    },
  };
}

export interface AnySchema extends Schema<unknown> {
  readonly type: 'any';
}

/** Any JSON value. */
export function any(): AnySchema {
  return { type: 'any', read: (value) => value };
}
