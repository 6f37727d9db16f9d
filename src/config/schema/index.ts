export {
  type AnySchema,
  type ArraySchema,
  any,
  array,
  type MapSchema,
  map,
  type StructSchema,
  struct,
} from './collections.ts';
export { nameOf, ReadContext, type ReadOptions, type Topic, type Violation } from './context.ts';
export { formatDuration, parseDuration } from './duration.ts';
export { withJsonNames } from './json-names.ts';
export { isRecord, type ObjectOf, type ObjectSchema, object, required } from './object.ts';
export {
  type BooleanSchema,
  type BytesSchema,
  boolean,
  bytes,
  type DurationSchema,
  double,
  duration,
  type EnumSchema,
  enumOf,
  type IntegerSchema,
  type IntOrStringSchema,
  int32,
  int64,
  integer,
  intOrString,
  type NumberSchema,
  notAString,
  type StringSchema,
  string,
  uint32,
  uint64,
} from './scalars.ts';
export { type Infer, type Reading, readWith, type Schema, type SchemaType } from './schema.ts';
export { closest, didYouMean } from './suggest.ts';
