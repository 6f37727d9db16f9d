import { type DescMessage, isFieldSet, type Message } from '@bufbuild/protobuf';
import { checkConstraints } from './constraints.ts';
import type { ConfigErrors } from './errors.ts';

/** Message type -> proto names of the fields that we honour, or that change nothing but names and statistics. */
export type SupportTable = Readonly<Record<string, readonly string[]>>;

const sets = new WeakMap<SupportTable, Map<string, ReadonlySet<string>>>();

function fieldsOf(table: SupportTable, typeName: string): ReadonlySet<string> | undefined {
  let known = sets.get(table);
  if (known === undefined) sets.set(table, (known = new Map()));
  let set = known.get(typeName);
  if (set === undefined && Object.hasOwn(table, typeName)) known.set(typeName, (set = new Set(table[typeName])));
  return set;
}

/**
 * Adds an error for every field that is set and not supported: a resource that asks for what we do not do is refused,
 * not half obeyed; so is one that breaks a rule of the API. Fields that our copy of the API does not have are told apart ({@link ConfigErrors.addUnknown}). Does not look into Any: whoever compiles an extension checks its configuration with a table of its
 * own. A message that stands in no table is not supported at all.
 */
export function checkSupported(schema: DescMessage, message: Message, table: SupportTable, errors: ConfigErrors): void {
  if (schema.typeName.startsWith('google.protobuf.')) return;
  for (const { no } of message.$unknown ?? []) errors.addUnknown(schema.typeName, no);
  const fields = fieldsOf(table, schema.typeName);
  if (fields === undefined) {
    errors.add('', `${schema.typeName} is not supported`);
    return;
  }
  checkConstraints(schema, message, errors);
  const values = message as unknown as Record<string, unknown>;
  for (const field of schema.fields) {
    if (!isFieldSet(message, field)) continue;
    if (!fields.has(field.name)) {
      errors.add(field.name, 'is not supported');
      continue;
    }
    const nested = field.message;
    if (nested === undefined || nested.typeName.startsWith('google.protobuf.')) continue;
    const value = field.oneof ? (values[field.oneof.localName] as { value: unknown }).value : values[field.localName];
    const at = errors.at(field.name);
    if (field.fieldKind === 'message') {
      checkSupported(nested, value as Message, table, at);
    } else if (field.fieldKind === 'list') {
      (value as Message[]).forEach((item, i) => checkSupported(nested, item, table, at.at(i)));
    } else {
      for (const [key, item] of Object.entries(value as Record<string, Message>)) {
        checkSupported(nested, item, table, at.at(`["${key}"]`));
      }
    }
  }
}
