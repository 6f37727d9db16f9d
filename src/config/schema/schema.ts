import type { FieldPath } from '../object.ts';
import { ReadContext, type ReadOptions, type Violation } from './context.ts';

/**
 * A description of a JSON value that checks it and turns it into `T`. Schemas are plain data with a `read` function, so
 * that they can be listed and compared with others' descriptions of the same API.
 */
export interface Schema<T> {
  readonly type: SchemaType;
  /** Reports what is wrong to `context` and returns the value, or undefined when nothing can be made of it. */
  read(value: unknown, context: ReadContext): T | undefined;
}

export type SchemaType =
  | 'object'
  | 'map'
  | 'array'
  | 'string'
  | 'enum'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'duration'
  | 'bytes'
  | 'int-or-string'
  | 'struct'
  | 'any';

/** The TypeScript type of what a schema reads. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/** Outcome of reading a document: `value` is undefined exactly when there is an error among the violations. */
export interface Reading<T> {
  readonly value: T | undefined;
  readonly violations: readonly Violation[];
}

/** Reads `value` with `schema`; paths of violations start with `path`. */
export function readWith<T>(
  schema: Schema<T>,
  value: unknown,
  path: FieldPath = [],
  options: ReadOptions = {},
): Reading<T> {
  const context = new ReadContext(path, options);
  const read = schema.read(value, context);
  const failed = context.violations.some((v) => v.severity === 'error');
  return { value: failed ? undefined : read, violations: context.violations };
}
