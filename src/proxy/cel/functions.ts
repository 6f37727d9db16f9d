import { ConfigErrors } from '../config/errors.ts';
import { compileRegex } from '../router/string-match.ts';
import { CelDuration, CelTimestamp, type CelValue, compare, equal, isList, isMap, NO_VALUE, print } from './values.ts';

/** A function of values that have been worked out; it throws {@link NO_VALUE} for what it does not take. */
export type CelFunction = (...args: readonly CelValue[]) => CelValue;

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 64n - 1n;

function int(value: bigint): bigint {
  if (value < MIN_INT || value > MAX_INT) throw NO_VALUE;
  return value;
}

/** Both whole, or both doubles. */
function arithmetic(
  onInts: (a: bigint, b: bigint) => bigint,
  onDoubles: (a: number, b: number) => number,
  onOthers: (a: CelValue, b: CelValue) => CelValue = () => {
    throw NO_VALUE;
  },
): CelFunction {
  return (a, b) => {
    if (typeof a === 'bigint' && typeof b === 'bigint') return int(onInts(a, b));
    if (typeof a === 'number' && typeof b === 'number') return onDoubles(a, b);
    return onOthers(a, b);
  };
}

function add(a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.concat([a, b]);
  if (a instanceof CelTimestamp && b instanceof CelDuration) return new CelTimestamp(a.ms + b.ms);
  if (a instanceof CelDuration && b instanceof CelTimestamp) return new CelTimestamp(a.ms + b.ms);
  if (a instanceof CelDuration && b instanceof CelDuration) return new CelDuration(a.ms + b.ms);
  if (isList(a) && isList(b)) return [...a, ...b];
  throw NO_VALUE;
}

function subtract(a: CelValue, b: CelValue): CelValue {
  if (a instanceof CelTimestamp && b instanceof CelTimestamp) return new CelDuration(a.ms - b.ms);
  if (a instanceof CelTimestamp && b instanceof CelDuration) return new CelTimestamp(a.ms - b.ms);
  if (a instanceof CelDuration && b instanceof CelDuration) return new CelDuration(a.ms - b.ms);
  throw NO_VALUE;
}

function nonZero(value: bigint): bigint {
  if (value === 0n) throw NO_VALUE;
  return value;
}

/** `of[key]`. Throws a CelError where there is no such key. */
export function indexOf(of: CelValue, key: CelValue): CelValue {
  let found: CelValue | undefined;
  if (isMap(of)) found = of.get(key);
  else if (isList(of) && (typeof key === 'bigint' || typeof key === 'number')) found = of[Number(key)];
  if (found === undefined) throw NO_VALUE;
  return found;
}

function contains(item: CelValue, of: CelValue): boolean {
  if (isList(of)) return of.some((other) => equal(item, other));
  if (isMap(of)) return of.get(item) !== undefined;
  throw NO_VALUE;
}

function sizeOf(value: CelValue): bigint {
  if (typeof value === 'string') return BigInt([...value].length);
  if (value instanceof Uint8Array || isList(value)) return BigInt(value.length);
  if (isMap(value)) return BigInt([...value.keys()].length);
  throw NO_VALUE;
}

const onStrings =
  (work: (a: string, b: string) => boolean): CelFunction =>
  (a, b) => {
    if (typeof a !== 'string' || typeof b !== 'string') throw NO_VALUE;
    return work(a, b);
  };

/** Expressions of one regular expression are mostly the same one again. */
const MAX_REGEXES = 100;
const regexes = new Map<string, ReturnType<typeof compileRegex>>();

function matches(text: string, source: string): boolean {
  let regex = regexes.get(source);
  if (regex === undefined && !regexes.has(source)) {
    regex = compileRegex(source, new ConfigErrors());
    if (regexes.size >= MAX_REGEXES) regexes.clear();
    regexes.set(source, regex);
  }
  if (regex === undefined) throw NO_VALUE;
  return regex.matcher(text).find();
}

function toInt(value: CelValue): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return int(BigInt(Math.trunc(value)));
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return int(BigInt(value));
  if (value instanceof CelTimestamp) return BigInt(Math.floor(value.ms / 1000));
  throw NO_VALUE;
}

function toDouble(value: CelValue): number {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  if (typeof value === 'string' && /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(value)) return Number(value);
  throw NO_VALUE;
}

function toText(value: CelValue): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (value === null || isList(value) || isMap(value)) throw NO_VALUE;
  return value instanceof CelTimestamp ? new Date(value.ms).toISOString() : print(value);
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, ns: 1e-6 };

function toDuration(value: CelValue): CelDuration {
  if (value instanceof CelDuration) return value;
  if (typeof value !== 'string' || !/^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|us|ns|m|s))+$/.test(value)) throw NO_VALUE;
  let ms = 0;
  for (const [, number, unit] of value.matchAll(/([\d.]+)(h|ms|us|ns|m|s)/g)) ms += Number(number) * UNITS[unit];
  return new CelDuration(value.startsWith('-') ? -ms : ms);
}

function toTimestamp(value: CelValue): CelTimestamp {
  if (value instanceof CelTimestamp) return value;
  const ms =
    typeof value === 'string' ? Date.parse(value) : typeof value === 'bigint' ? Number(value) * 1000 : Number.NaN;
  if (Number.isNaN(ms)) throw NO_VALUE;
  return new CelTimestamp(ms);
}

function typeName(value: CelValue): string {
  if (value === null) return 'null_type';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'double';
  if (typeof value === 'string') return 'string';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof CelTimestamp) return 'google.protobuf.Timestamp';
  if (value instanceof CelDuration) return 'google.protobuf.Duration';
  return isList(value) ? 'list' : 'map';
}

const negate: CelFunction = (value) => {
  if (typeof value === 'bigint') return int(-value);
  if (typeof value === 'number') return -value;
  throw NO_VALUE;
};

const not: CelFunction = (value) => {
  if (typeof value !== 'boolean') throw NO_VALUE;
  return !value;
};

/** Operators and functions by name; methods have their target as first argument. */
export const FUNCTIONS: ReadonlyMap<string, { readonly arity: number; readonly call: CelFunction }> = new Map(
  Object.entries<readonly [number, CelFunction]>({
    '==': [2, (a, b) => equal(a, b)],
    '!=': [2, (a, b) => !equal(a, b)],
    '<': [2, (a, b) => compare(a, b) < 0],
    '<=': [2, (a, b) => compare(a, b) <= 0],
    '>': [2, (a, b) => compare(a, b) > 0],
    '>=': [2, (a, b) => compare(a, b) >= 0],
    in: [2, contains],
    '+': [
      2,
      arithmetic(
        (a, b) => a + b,
        (a, b) => a + b,
        add,
      ),
    ],
    '-': [
      2,
      arithmetic(
        (a, b) => a - b,
        (a, b) => a - b,
        subtract,
      ),
    ],
    '*': [
      2,
      arithmetic(
        (a, b) => a * b,
        (a, b) => a * b,
      ),
    ],
    '/': [
      2,
      arithmetic(
        (a, b) => a / nonZero(b),
        (a, b) => a / b,
      ),
    ],
    '%': [
      2,
      arithmetic(
        (a, b) => a % nonZero(b),
        () => {
          throw NO_VALUE;
        },
      ),
    ],
    '[]': [2, indexOf],
    negate: [1, negate],
    '!': [1, not],
    size: [1, sizeOf],
    startsWith: [2, onStrings((a, b) => a.startsWith(b))],
    endsWith: [2, onStrings((a, b) => a.endsWith(b))],
    contains: [2, onStrings((a, b) => a.includes(b))],
    matches: [2, onStrings(matches)],
    int: [1, toInt],
    uint: [
      1,
      (value) => {
        const whole = toInt(value);
        if (whole < 0n) throw NO_VALUE;
        return whole;
      },
    ],
    double: [1, toDouble],
    string: [1, toText],
    bytes: [1, (value) => (value instanceof Uint8Array ? value : Buffer.from(toText(value), 'utf8'))],
    duration: [1, toDuration],
    timestamp: [1, toTimestamp],
    type: [1, typeName],
    dyn: [1, (value) => value],
  }).map(([name, [arity, call]]) => [name, { arity, call }]),
);
