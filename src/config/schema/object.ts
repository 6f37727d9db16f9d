import type { ReadContext } from './context.ts';
import type { Infer, Schema } from './schema.ts';
import { closest, didYouMean } from './suggest.ts';

/** Marks a field of an object as one that must be there. */
export function required<S extends Schema<unknown>>(schema: S): S & { readonly required: true } {
  return { ...schema, required: true };
}

type Fields = Readonly<Record<string, Schema<unknown>>>;

type Simplify<T> = { readonly [K in keyof T]: T[K] };

/** The object type of a record of field schemas: optional fields unless {@link required}. */
export type ObjectOf<F> = Simplify<
  { readonly [K in keyof F as F[K] extends { readonly required: true } ? K : never]: Infer<F[K]> } & {
    readonly [K in keyof F as F[K] extends { readonly required: true } ? never : K]?: Infer<F[K]>;
  }
>;

export interface ObjectOptions<F> {
  /** Groups of fields of which at most one may be set: protobuf's `oneof`. */
  readonly oneOf?: readonly (readonly (keyof F & string)[])[];
  /** Other spellings that Istio accepts, to the field's own name. */
  readonly aliases?: Readonly<Record<string, keyof F & string>>;
  /**
   * Whether fields of it, and of all that it contains, may be spelled as in the protobuf definition (`access_log_file`), as
   * protobuf's JSON allows. Not so where Kubernetes keeps the objects: its definitions know the JSON names alone.
   */
  readonly protobufNames?: boolean;
  /** Fields that the API once had: people still have them in their files, and nothing reads them. */
  readonly removed?: readonly string[];
}

export interface ObjectSchema<F> extends Schema<ObjectOf<F>> {
  readonly type: 'object';
  readonly fields: F;
  readonly options: ObjectOptions<F>;
}

/** An object with these fields and no others. A field that is null counts as absent, as in Kubernetes and protobuf. */
export function object<F extends Fields>(fields: F, options: ObjectOptions<F> = {}): ObjectSchema<F> {
  const schemas = new Map<string, Schema<unknown>>(Object.entries(fields));
  const requiredNames = [...schemas].filter(([, s]) => 'required' in s).map(([name]) => name);
  const aliases = new Map<string, string>(Object.entries(options.aliases ?? {}));
  const groups = options.oneOf ?? [];
  const removed = new Set(options.removed);

  function read(value: unknown, context: ReadContext): ObjectOf<F> | undefined {
    if (!isRecord(value)) {
      context.error(`must be an object, not ${context.nameOf(value)}`);
      return undefined;
    }
    const outer = context.protobufNames;
    context.protobufNames ||= options.protobufNames === true;
    const nameOf = (key: string) => aliases.get(key) ?? (context.protobufNames ? jsonName(key) : key);
    const result: Record<string, unknown> = {};
    const names: string[] = [];
    for (const key in value) {
      const given = value[key];
      const name = schemas.has(key) ? key : nameOf(key);
      const schema = schemas.get(name);
      context.path.push(key);
      if (schema === undefined && removed.has(key)) context.warning('was removed from the API and has no effect');
      else if (schema === undefined) unknownField(key, schemas.keys(), context);
      else if (given !== null && given !== undefined) {
        if (name !== key && value[name] !== undefined)
          context.error(`is another spelling of ${name}, which is also set`);
        names.push(name);
        const read = schema.read(given, context);
        if (read !== undefined) result[name] = read;
      }
      context.path.pop();
    }
    for (const name of requiredNames) {
      if (!names.includes(name)) {
        context.path.push(name);
        context.error('is required');
        context.path.pop();
      }
    }
    for (const group of groups) {
      const set = group.filter((name) => names.includes(name));
      if (set.length > 1) context.error(`only one of ${set.join(', ')} may be set`);
    }
    context.protobufNames = outer;
    return result as ObjectOf<F>;
  }
  return { type: 'object', fields, options, read };
}

/** The JSON name of a field by its name in protobuf: the letter after an underscore is a capital one. */
export const jsonName = (key: string) => key.replace(/_([a-z0-9])/gi, (_, next: string) => next.toUpperCase());

function unknownField(key: string, known: Iterable<string>, context: ReadContext): void {
  context.unknown(`is an unknown field${didYouMean(closest(key, known))}`);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
