import type { JsonValue } from '@bufbuild/protobuf';
import type {
  RuntimeDouble,
  RuntimeFeatureFlag,
  RuntimeFractionalPercent,
  RuntimeUInt32,
} from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { FractionalPercent_DenominatorType as Denominator } from '../../api/gen/envoy/type/v3/percent_pb.ts';
import { fraction } from './fraction.ts';

/** The values of `layered_runtime` as they are now; `/runtime_modify` changes them. */
export interface RuntimeSource {
  /** Undefined if no layer has the key. */
  get(key: string): JsonValue | undefined;
}

/** A value that may be another one the next time. */
export interface Changing<T> {
  readonly value: T;
}

/** What runtime says under a key, or what the configuration says where it says nothing of use. */
class RuntimeValue<T> implements Changing<T> {
  readonly #runtime: RuntimeSource;
  readonly #key: string;
  readonly #otherwise: T;
  readonly #read: (value: JsonValue) => T | undefined;

  constructor(runtime: RuntimeSource, key: string, otherwise: T, read: (value: JsonValue) => T | undefined) {
    this.#runtime = runtime;
    this.#key = key;
    this.#otherwise = otherwise;
    this.#read = read;
  }

  get value(): T {
    const value = this.#runtime.get(this.#key);
    return (value === undefined ? undefined : this.#read(value)) ?? this.#otherwise;
  }
}

function changing<T>(
  runtime: RuntimeSource,
  key: string,
  otherwise: T,
  read: (value: JsonValue) => T | undefined,
): Changing<T> {
  return key === '' ? { value: otherwise } : new RuntimeValue(runtime, key, otherwise, read);
}

/** A share of 1. */
export function runtimeFraction(
  proto: RuntimeFractionalPercent | undefined,
  otherwise: number,
  runtime: RuntimeSource,
): Changing<number> {
  if (proto === undefined) return { value: otherwise };
  return runtimeShare(proto.runtimeKey, fraction(proto.defaultValue), runtime);
}

/** A share of 1 under a key of Envoy's own choosing: runtime has percent, or a FractionalPercent. */
export function runtimeShare(key: string, otherwise: number, runtime: RuntimeSource): Changing<number> {
  return changing(runtime, key, otherwise, shareOf);
}

/** A RuntimeFeatureFlag; `otherwise` holds where it is not set. */
export function runtimeFlag(
  proto: RuntimeFeatureFlag | undefined,
  otherwise: boolean,
  runtime: RuntimeSource,
): Changing<boolean> {
  const byConfig = proto?.defaultValue ?? otherwise;
  return changing(runtime, proto?.runtimeKey ?? '', byConfig, (value) =>
    typeof value === 'boolean' ? value : undefined,
  );
}

/** `RuntimeDouble` and `RuntimeUInt32`. */
export function runtimeNumber(
  proto: RuntimeDouble | RuntimeUInt32 | undefined,
  otherwise: number,
  runtime: RuntimeSource,
): Changing<number> {
  return runtimeInteger(proto?.runtimeKey ?? '', proto?.defaultValue ?? otherwise, runtime);
}

/** A number of 0 or more under a key of Envoy's own choosing. */
export function runtimeInteger(key: string, otherwise: number, runtime: RuntimeSource): Changing<number> {
  return changing(runtime, key, otherwise, naturalOf);
}

/** What runtime says now under a key, as a share of 1. */
export function shareAt(runtime: RuntimeSource, key: string, otherwise: number): number {
  const value = runtime.get(key);
  return (value === undefined ? undefined : shareOf(value)) ?? otherwise;
}

/** What runtime says now under a key, as a number of 0 or more. */
export function integerAt(runtime: RuntimeSource, key: string, otherwise: number): number {
  const value = runtime.get(key);
  return (value === undefined ? undefined : naturalOf(value)) ?? otherwise;
}

function naturalOf(value: JsonValue): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

const DENOMINATORS: Readonly<Record<string, Denominator>> = {
  HUNDRED: Denominator.HUNDRED,
  TEN_THOUSAND: Denominator.TEN_THOUSAND,
  MILLION: Denominator.MILLION,
};

function shareOf(value: JsonValue): number | undefined {
  if (typeof value === 'number') return value >= 0 ? Math.floor(value) / 100 : undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { numerator = 0, denominator = 'HUNDRED' } = value;
  const known = typeof denominator === 'string' ? DENOMINATORS[denominator] : undefined;
  if (typeof numerator !== 'number' || known === undefined) return undefined;
  return fraction({ $typeName: 'envoy.type.v3.FractionalPercent', numerator, denominator: known });
}
