/**
 * Values of the Common Expression Language (cel-spec, doc/langdef.md). Whole numbers are bigint, signed or not, and
 * doubles are number.
 */
export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | CelTimestamp
  | CelDuration
  | CelMap
  | readonly CelValue[];

/** A map, or a message: what has fields. */
export interface CelMap {
  /** Undefined if there is no such key. */
  get(key: CelValue): CelValue | undefined;
  keys(): Iterable<CelValue>;
}

/** Milliseconds since 1970. */
export class CelTimestamp {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }
}

/** A `duration`. */
export class CelDuration {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }
}

/** An expression has no value for this input: a key that is not there, operands that do not go together. */
export class CelError extends Error {}

/** Such errors are as common as headers that a request does not have, so that no stack is kept of them. */
export const NO_VALUE: CelError = new CelError('no such value');

/** The members of a JSON object, or of anything that is one in JavaScript. */
class ObjectMap implements CelMap {
  readonly #object: Readonly<Record<string, unknown>>;

  constructor(object: Readonly<Record<string, unknown>>) {
    this.#object = object;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#object, key)) return undefined;
    return celValue(this.#object[key]);
  }

  keys(): Iterable<CelValue> {
    return Object.keys(this.#object);
  }
}

/** What a JSON value is in CEL; other objects show their own properties. */
export function celValue(value: unknown): CelValue {
  if (value === undefined) return null;
  if (value === null || typeof value !== 'object') return value as CelValue;
  if (Array.isArray(value)) return value.map(celValue);
  if (value instanceof Map) return new KeyedMap(value as ReadonlyMap<string, unknown>);
  if (value instanceof Uint8Array || value instanceof CelTimestamp || value instanceof CelDuration) return value;
  return isMap(value) ? value : new ObjectMap(value as Readonly<Record<string, unknown>>);
}

class KeyedMap implements CelMap {
  readonly #map: ReadonlyMap<string, unknown>;

  constructor(map: ReadonlyMap<string, unknown>) {
    this.#map = map;
  }

  get(key: CelValue): CelValue | undefined {
    return typeof key === 'string' && this.#map.has(key) ? celValue(this.#map.get(key)) : undefined;
  }

  keys(): Iterable<CelValue> {
    return this.#map.keys();
  }
}

/** Whether a value is a map: an object with the methods of one, whatever it is. */
export function isMap(value: unknown): value is CelMap {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as CelMap).get === 'function' &&
    typeof (value as CelMap).keys === 'function'
  );
}

const isNumeric = (value: CelValue): value is bigint | number => typeof value === 'bigint' || typeof value === 'number';

/** Whether a value is a list. */
export function isList(value: CelValue): value is readonly CelValue[] {
  return Array.isArray(value);
}

/** `==`. Numbers are equal by their value, whatever their type. */
export function equal(a: CelValue, b: CelValue): boolean {
  // biome-ignore lint/suspicious/noDoubleEquals: a bigint equals the number of the same value
  if (isNumeric(a) && isNumeric(b)) return a == b;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  if (a instanceof CelTimestamp && b instanceof CelTimestamp) return a.ms === b.ms;
  if (a instanceof CelDuration && b instanceof CelDuration) return a.ms === b.ms;
  if (!isMap(a) || !isMap(b)) return false;
  const keys = [...a.keys()];
  if (keys.length !== [...b.keys()].length) return false;
  return keys.every((key) => {
    const other = b.get(key);
    return other !== undefined && equal(a.get(key)!, other);
  });
}

/** Less than 0, 0, or more; throws where there is no order. */
export function compare(a: CelValue, b: CelValue): number {
  if (isNumeric(a) && isNumeric(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (a instanceof CelTimestamp && b instanceof CelTimestamp) return a.ms - b.ms;
  if (a instanceof CelDuration && b instanceof CelDuration) return a.ms - b.ms;
  throw NO_VALUE;
}

/** The text that labels and logs show of a value. */
export function print(value: CelValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return printDouble(value);
  if (value === null) return 'NULL';
  if (typeof value !== 'object') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (value instanceof CelTimestamp) return new Date(value.ms).toISOString().replace(/\.?0*Z$/, '+00:00');
  if (value instanceof CelDuration) return `${value.ms / 1000}s`;
  return isList(value) ? 'CelList value' : 'CelMap value';
}

/** Six digits, as Envoy prints doubles. */
function printDouble(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  return value
    .toExponential(5)
    .replace(/\.?0+e/, 'e')
    .replace(/e([+-])(\d)$/, 'e$10$2');
}
