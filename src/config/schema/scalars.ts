import { nameOf, type ReadContext } from './context.ts';
import { parseDuration } from './duration.ts';
import type { Schema } from './schema.ts';
import { closest, didYouMean } from './suggest.ts';

export interface StringOptions {
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Returns what is wrong with the string, as a clause such as `is not a host name`, or undefined. */
  readonly check?: (value: string) => string | undefined;
}

export interface StringSchema extends Schema<string> {
  readonly type: 'string';
  readonly options: StringOptions;
}

/** What to say of a value that should be a string; YAML 1.1 takes words for booleans that people mean as words. */
export function notAString(value: unknown, name = nameOf(value)): string {
  const hint =
    typeof value === 'number'
      ? '; put it in quotes'
      : typeof value === 'boolean'
        ? '; put it in quotes (YAML takes y, n, yes, no, on and off for booleans)'
        : '';
  return `must be a string, not ${name}${hint}`;
}

export function string(options: StringOptions = {}): StringSchema {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, check } = options;
  return {
    type: 'string',
    options,
    read(value, context) {
      if (typeof value !== 'string') {
        context.error(notAString(value, context.nameOf(value)));
        return undefined;
      }
      if (value.length < minLength)
        context.error(minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`);
      else if (value.length > maxLength)
        context.error(`must have at most ${maxLength} characters, has ${value.length}`);
      else {
        const wrong = check?.(value);
        if (wrong !== undefined) context.error(wrong);
      }
      return value;
    },
  };
}

export interface EnumSchema<V extends string> extends Schema<V> {
  readonly type: 'enum';
  readonly values: readonly V[];
}

/** One of the given names, as protobuf's JSON mapping and Kubernetes write enums. */
export function enumOf<const V extends string>(...values: readonly V[]): EnumSchema<V> {
  const known = new Set<string>(values);
  return {
    type: 'enum',
    values,
    read(value, context) {
      if (typeof value === 'string' && known.has(value)) return value as V;
      const guess = typeof value === 'string' ? didYouMean(closest(value, values)) : '';
      context.error(
        `must be one of ${values.filter((v) => v !== '').join(', ')}, not ${context.nameOf(value)}${guess}`,
      );
      return undefined;
    },
  };
}

export interface IntegerSchema extends Schema<number> {
  readonly type: 'integer';
  readonly min: number;
  readonly max: number;
}

/**
 * A whole number between `min` and `max`. A decimal string is accepted as protobuf's JSON mapping does (it writes
 * 64-bit numbers so), with a warning, since the Kubernetes API would refuse it.
 */
export function integer(min: number, max: number): IntegerSchema {
  return {
    type: 'integer',
    min,
    max,
    read(value, context) {
      const number = numberOf(value, /^-?(0|[1-9]\d{0,18})$/, context);
      if (number === undefined || !Number.isInteger(number)) {
        context.error(`must be a whole number, not ${context.nameOf(value)}`);
        return undefined;
      }
      if (number < min || number > max) {
        context.error(`must be between ${min} and ${max}, not ${number}`);
        return undefined;
      }
      return number;
    },
  };
}

export const int32 = (): IntegerSchema => integer(-(2 ** 31), 2 ** 31 - 1);
export const uint32 = (): IntegerSchema => integer(0, 2 ** 32 - 1);
/** 64-bit numbers are held to those that JavaScript represents exactly. */
export const int64 = (): IntegerSchema => integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
export const uint64 = (): IntegerSchema => integer(0, Number.MAX_SAFE_INTEGER);

export interface NumberSchema extends Schema<number> {
  readonly type: 'number';
}

/** A finite number. */
export function double(): NumberSchema {
  return {
    type: 'number',
    read(value, context) {
      const number = numberOf(value, /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/, context);
      if (number !== undefined && Number.isFinite(number)) return number;
      context.error(`must be a number, not ${context.nameOf(value)}`);
      return undefined;
    },
  };
}

function numberOf(value: unknown, text: RegExp, context: ReadContext): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !text.test(value)) return undefined;
  context.warning(`is a number in quotes, which Kubernetes refuses; write ${value}`);
  return Number(value);
}

export interface BooleanSchema extends Schema<boolean> {
  readonly type: 'boolean';
}

export function boolean(): BooleanSchema {
  return {
    type: 'boolean',
    read(value, context) {
      if (typeof value === 'boolean') return value;
      const hint = value === 'true' || value === 'false' ? '; remove the quotes' : '';
      context.error(`must be true or false, not ${context.nameOf(value)}${hint}`);
      return undefined;
    },
  };
}

export interface DurationSchema extends Schema<number> {
  readonly type: 'duration';
}

/** A duration as Istio writes it (`1.5s`, `1h30m`); read as milliseconds. */
export function duration(): DurationSchema {
  return {
    type: 'duration',
    read(value, context) {
      const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined;
      if (milliseconds === undefined) {
        context.error(`must be a duration such as 1.5s, 300ms or 1h30m, not ${context.nameOf(value)}`);
      }
      return milliseconds;
    },
  };
}

export interface BytesSchema extends Schema<string> {
  readonly type: 'bytes';
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** Bytes in base64; the value stays in base64, because most of them are passed on as they are. */
export function bytes(): BytesSchema {
  return {
    type: 'bytes',
    read(value, context) {
      if (typeof value === 'string' && BASE64.test(value.replaceAll(/[\r\n]/g, ''))) return value;
      context.error(typeof value === 'string' ? 'is not base64' : `must be base64 text, not ${context.nameOf(value)}`);
      return undefined;
    },
  };
}

export interface IntOrStringSchema extends Schema<number | string> {
  readonly type: 'int-or-string';
}

/** Kubernetes' IntOrString: a port number or name, a count or a percentage. */
export function intOrString(): IntOrStringSchema {
  return {
    type: 'int-or-string',
    read(value, context) {
      if (typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value))) return value;
      context.error(`must be a whole number or a string, not ${context.nameOf(value)}`);
      return undefined;
    },
  };
}
