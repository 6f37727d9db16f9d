import type {
  ArraySchema,
  EnumSchema,
  IntegerSchema,
  MapSchema,
  ObjectSchema,
  Schema,
} from '../../../../src/config/schema/index.ts';
import type { Random } from './prng.ts';

/**
 * Makes the value of a field, or leaves it out by returning undefined. `walk` makes what the schema alone would, for a rule that only
 * corrects it.
 */
export type Rule = (random: Random, walk: () => unknown) => unknown;

/**
 * Rules by the end of a field's path: `route.destination.host` is asked for before `destination.host` and `host`. Items of lists and
 * values of maps have the path of the list or map with `[]` or `{}` at its end; the keys of a map are asked for as `{key}`.
 */
export type Rules = Readonly<Record<string, Rule>>;

export interface Walk {
  readonly random: Random;
  readonly rules: Rules;
  /** How probable a field is to be set, by the end of its path; those that are not named have `density`. */
  readonly rates: Readonly<Record<string, number>>;
  readonly density: number;
}

const INTEGERS = [0, 1, 2, 3, 5, 10, 64, 100, 1024, 65_535];
const NUMBERS = [0, 0.01, 0.5, 1, 1.5, 12.345, 50, 99.99, 100];
const DURATIONS = ['0s', '1ms', '0.25s', '1s', '1.5s', '10s', '90s', '5m', '1h'];
const WORDS = ['x', 'v', 'a-b', 'word', 'x-y.z'];

/** How probable fields are far inside, where one seldom comes. */
const DEEP_DENSITY = 0.3;

/** A random value of a schema: its fields by the rules, and by their types where no rule is known. */
export function walk(settings: Walk, schema: Schema<unknown>, path: string): unknown {
  const { random, rules } = settings;
  const plain = () => plainValue(settings, schema, path);
  const rule = byEnd(rules, path);
  return rule === undefined ? plain() : rule(random, plain);
}

function plainValue(settings: Walk, schema: Schema<unknown>, path: string): unknown {
  const { random } = settings;
  switch (schema.type) {
    case 'object':
      return objectValue(settings, schema as ObjectSchema<Record<string, Schema<unknown>>>, path);
    case 'array': {
      const { items } = schema as ArraySchema<unknown>;
      const count = random.chance(0.6) ? 1 : random.int(1, 3);
      const made = Array.from({ length: count }, () => walk(settings, items, `${path}[]`));
      return made.filter((item) => item !== undefined);
    }
    case 'map': {
      const { values } = schema as MapSchema<unknown>;
      const keyOf = byEnd(settings.rules, `${path}{key}`) ?? (() => random.pick(WORDS));
      const out: Record<string, unknown> = {};
      for (let i = random.chance(0.7) ? 1 : 2; i > 0; i--) {
        const value = walk(settings, values, `${path}{}`);
        if (value !== undefined) out[String(keyOf(random, () => ''))] = value;
      }
      return out;
    }
    case 'enum':
      return random.pick((schema as EnumSchema<string>).values);
    case 'integer': {
      const { min, max } = schema as IntegerSchema;
      return random.pick(INTEGERS.filter((n) => n >= min && n <= max));
    }
    case 'number':
      return random.pick(NUMBERS);
    case 'boolean':
      return random.chance(0.6);
    case 'duration':
      return random.pick(DURATIONS);
    case 'bytes':
      return random.pick(['aGk=', 'AAEC/w==', '']);
    case 'struct':
    case 'any':
      return { k: random.pick(WORDS) };
    default:
      return random.pick(WORDS);
  }
}

function objectValue(settings: Walk, schema: ObjectSchema<Record<string, Schema<unknown>>>, path: string) {
  const { random, rates, density } = settings;
  const deep = path.split('.').length > 3;
  const chosen = new Set<string>();
  for (const [name, field] of Object.entries(schema.fields)) {
    const rate = byEnd(rates, `${path}.${name}`) ?? (deep ? Math.max(density, DEEP_DENSITY) : density);
    if ('required' in field || random.chance(rate)) chosen.add(name);
  }
  for (const group of schema.options.oneOf ?? []) {
    const set = group.filter((name) => chosen.has(name));
    if (set.length === 0) continue;
    const kept = random.pick(set);
    for (const name of set) if (name !== kept) chosen.delete(name);
  }
  const out: Record<string, unknown> = {};
  for (const name of chosen) {
    const value = walk(settings, schema.fields[name]!, `${path}.${name}`);
    if (value !== undefined) out[name] = value;
  }
  return out;
}

/** What is known of the longest end of a path. */
export function byEnd<T>(table: Readonly<Record<string, T>>, path: string): T | undefined {
  for (let rest = path; ; ) {
    if (Object.hasOwn(table, rest)) return table[rest];
    const dot = rest.indexOf('.');
    if (dot === -1) return undefined;
    rest = rest.slice(dot + 1);
  }
}
