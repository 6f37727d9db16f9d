import { type DescField, type DescMessage, type DescOneof, isFieldSet, type Message } from '@bufbuild/protobuf';
import { type Duration, FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { constraints } from '../../api/gen/constraints.ts';
import type { ConfigErrors } from './errors.ts';

/** The rules of one field, as protoc-gen-validate has them; durations are seconds. */
interface FieldRules {
  readonly string?: TextRules;
  readonly bytes?: LengthRules;
  readonly duration?: NumberRules & { readonly required?: boolean };
  readonly enum?: { readonly definedOnly?: boolean; readonly notIn?: readonly number[] };
  readonly repeated?: RepeatedRules;
  readonly map?: { readonly minPairs?: number; readonly keys?: FieldRules; readonly values?: FieldRules };
  readonly bool?: { readonly const?: boolean };
  readonly message?: { readonly required?: boolean };
  readonly any?: { readonly required?: boolean };
}

interface LengthRules {
  readonly minLen?: number;
  readonly maxLen?: number;
  readonly ignoreEmpty?: boolean;
}

interface TextRules extends LengthRules {
  readonly maxBytes?: number;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly pattern?: string;
  readonly in?: readonly string[];
  readonly wellKnownRegex?: 'HTTP_HEADER_NAME' | 'HTTP_HEADER_VALUE';
  readonly strict?: boolean;
}

interface NumberRules {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
  readonly ignoreEmpty?: boolean;
}

interface RepeatedRules {
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly unique?: boolean;
  readonly items?: FieldRules;
  readonly ignoreEmpty?: boolean;
}

/** What is wrong with a value, in words that follow the name of the field; undefined if nothing is. */
type Check = (value: unknown, errors: ConfigErrors) => void;

interface FieldCheck {
  readonly field: DescField;
  readonly needed: boolean;
  /** Whether a value that is not set is not looked at. */
  readonly onlyIfSet: boolean;
  readonly check: Check;
}

interface MessageChecks {
  readonly oneofs: readonly DescOneof[];
  readonly fields: readonly FieldCheck[];
}

const NONE: MessageChecks = { oneofs: [], fields: [] };
const compiled = new Map<string, MessageChecks>();

/** Adds an error for every rule of the API that the fields of a message break. Does not look into other messages. */
export function checkConstraints(schema: DescMessage, message: Message, errors: ConfigErrors): void {
  let checks = compiled.get(schema.typeName);
  if (checks === undefined) compiled.set(schema.typeName, (checks = messageChecks(schema)));
  const values = message as unknown as Record<string, unknown>;
  for (const { name, localName, fields } of checks.oneofs) {
    if ((values[localName] as { case?: string }).case === undefined) {
      errors.add(name, `is needed: ${either(fields.map((field) => field.name))}`);
    }
  }
  for (const { field, needed, onlyIfSet, check } of checks.fields) {
    if (isFieldSet(message, field)) {
      const { oneof, localName } = field;
      check(oneof ? (values[oneof.localName] as { value: unknown }).value : values[localName], errors.at(field.name));
    } else if (needed) errors.add(field.name, 'is needed');
    else if (!onlyIfSet) check(values[field.localName], errors.at(field.name));
  }
}

function messageChecks(schema: DescMessage): MessageChecks {
  const json = Object.hasOwn(constraints, schema.typeName) ? constraints[schema.typeName] : undefined;
  if (json === undefined) return NONE;
  const { oneofs, fields }: { oneofs: string[]; fields: Record<string, FieldRules> } = JSON.parse(json);
  return {
    oneofs: schema.oneofs.filter(({ name }) => oneofs.includes(name)),
    fields: schema.fields.flatMap((field) => {
      if (!Object.hasOwn(fields, field.name)) return [];
      const rules = fields[field.name];
      // Of fields that exclude one another only the one that is set counts.
      const required = (rules.message ?? rules.any ?? rules.duration)?.required === true;
      const needed = required && field.oneof === undefined;
      // Fields that know whether they are set are looked at when they are; the others have a value in any case.
      const onlyIfSet = field.oneof !== undefined || field.presence !== FeatureSet_FieldPresence.IMPLICIT;
      return [{ field, needed, onlyIfSet, check: fieldCheck(field, rules) }];
    }),
  };
}

function fieldCheck(field: DescField, rules: FieldRules): Check {
  if (field.fieldKind === 'list') return listCheck(rules.repeated ?? {});
  if (field.fieldKind === 'map') return mapCheck(rules.map ?? {});
  if (rules.enum !== undefined && field.fieldKind === 'enum') {
    const { definedOnly = false, notIn = [] } = rules.enum;
    const known = new Set(field.enum.values.map(({ number }) => number));
    return (value, errors) => {
      const number = value as number;
      if (definedOnly && !known.has(number)) errors.add('', `${number} is not one of its values`);
      const name = field.enum.values.find((each) => each.number === number)?.name;
      if (notIn.includes(number)) errors.add('', `must not be ${name ?? number}`);
    };
  }
  return valueCheck(rules);
}

function valueCheck(rules: FieldRules): Check {
  if (rules.string) return textCheck(rules.string);
  if (rules.bytes) return bytesCheck(rules.bytes);
  if (rules.duration) {
    const check = numberCheck(rules.duration, 's');
    return (value, errors) => check(secondsOf(value as Duration), errors);
  }
  const wanted = rules.bool?.const;
  if (wanted !== undefined) {
    return (value, errors) => {
      if (value !== wanted) errors.add('', `must be ${wanted}`);
    };
  }
  for (const kind of NUMBER_KINDS) {
    const own = (rules as Readonly<Record<string, NumberRules | undefined>>)[kind];
    if (own) return numberCheck(own, '');
  }
  return () => {};
}

const NUMBER_KINDS = ['uint32', 'uint64', 'int32', 'int64', 'double', 'float'];

function secondsOf({ seconds, nanos }: Duration): number {
  return Number(seconds) + nanos / 1e9;
}

function numberCheck({ gt, gte, lt, lte, ignoreEmpty }: NumberRules, unit: string): Check {
  const low = gte ?? gt ?? Number.NEGATIVE_INFINITY;
  const high = lte ?? lt ?? Number.POSITIVE_INFINITY;
  return (given, errors) => {
    const value = Number(given);
    if (ignoreEmpty && value === 0) return;
    const above = gte === undefined ? gt === undefined || value > gt : value >= gte;
    const below = lte === undefined ? lt === undefined || value < lt : value <= lte;
    // Bounds the wrong way round mean what is outside of them.
    if (high < low ? above || below : above && below) return;
    const words = [
      gte !== undefined && `at least ${gte}${unit}`,
      gt !== undefined && `greater than ${gt}${unit}`,
      lte !== undefined && `at most ${lte}${unit}`,
      lt !== undefined && `less than ${lt}${unit}`,
    ].filter((word) => word !== false);
    errors.add('', `must be ${words.join(high < low ? ' or ' : ' and ')}`);
  };
}

/** `^[^\x00\n\r]*$` and the tokens of RFC 9110, as protoc-gen-validate has them. */
const HEADER_NAME = /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/;
const HEADER_VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/;
const ONE_LINE = /^[^\u0000\n\r]*$/;

function textCheck(rules: TextRules): Check {
  const {
    minLen = 0,
    maxLen,
    maxBytes,
    prefix = '',
    suffix = '',
    pattern,
    in: among,
    wellKnownRegex,
    strict = true,
    ignoreEmpty,
  } = rules;
  const header = wellKnownRegex === 'HTTP_HEADER_NAME' ? HEADER_NAME : HEADER_VALUE;
  const wellKnown = wellKnownRegex === undefined ? undefined : strict ? header : ONE_LINE;
  const what = wellKnownRegex === 'HTTP_HEADER_NAME' ? 'the name of a header' : 'a header';
  const own = pattern === undefined ? undefined : new RegExp(pattern, 'u');
  return (value, errors) => {
    const text = value as string;
    if (ignoreEmpty && text === '') return;
    const length = maxLen === undefined && minLen < 2 ? text.length : [...text].length;
    if (length < minLen) errors.add('', tooShort(minLen, 'characters long'));
    if (maxLen !== undefined && length > maxLen) errors.add('', `must be at most ${maxLen} characters long`);
    if (maxBytes !== undefined && Buffer.byteLength(text) > maxBytes) {
      errors.add('', `must be at most ${maxBytes} bytes long`);
    }
    if (!text.startsWith(prefix)) errors.add('', `must begin with ${prefix}`);
    if (!text.endsWith(suffix)) errors.add('', `must end with ${suffix}`);
    if (among !== undefined && !among.includes(text))
      errors.add('', `must be ${either(among.filter((each) => each !== ''))}`);
    if (own !== undefined && !own.test(text)) errors.add('', `must match ${pattern}`);
    if (wellKnown !== undefined && text !== '' && !wellKnown.test(text)) {
      errors.add('', `has characters that ${what} must not have`);
    }
  };
}

/** `a`, `a or b`, `a, b or c` */
function either(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function tooShort(least: number, unit: string): string {
  return least === 1 ? 'must not be empty' : `must be at least ${least} ${unit}`;
}

function bytesCheck({ minLen = 0, maxLen, ignoreEmpty }: LengthRules): Check {
  return (value, errors) => {
    const { length } = value as Uint8Array;
    if (ignoreEmpty && length === 0) return;
    if (length < minLen) errors.add('', tooShort(minLen, 'bytes long'));
    if (maxLen !== undefined && length > maxLen) errors.add('', `must be at most ${maxLen} bytes long`);
  };
}

function listCheck({ minItems = 0, maxItems, unique, items, ignoreEmpty }: RepeatedRules): Check {
  const check = items && valueCheck(items);
  return (value, errors) => {
    const list = value as readonly unknown[];
    if (ignoreEmpty && list.length === 0) return;
    if (list.length < minItems) {
      errors.add('', minItems === 1 ? 'must not be empty' : `must have at least ${minItems} items`);
    }
    if (maxItems !== undefined && list.length > maxItems) errors.add('', `must have at most ${maxItems} items`);
    if (unique && new Set(list).size < list.length) errors.add('', 'has an item twice');
    if (check !== undefined) list.forEach((item, i) => check(item, errors.at(i)));
  };
}

function mapCheck({ minPairs = 0, keys, values }: NonNullable<FieldRules['map']>): Check {
  const checkKey = keys && valueCheck(keys);
  const checkValue = values && valueCheck(values);
  return (given, errors) => {
    const entries = Object.entries(given as Record<string, unknown>);
    if (entries.length < minPairs) {
      errors.add('', minPairs === 1 ? 'must not be empty' : `must have at least ${minPairs} entries`);
    }
    for (const [key, value] of entries) {
      const at = errors.at(`["${key}"]`);
      checkKey?.(key, at);
      checkValue?.(value, at);
    }
  };
}
