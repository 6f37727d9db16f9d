import type { DescMessage } from '@bufbuild/protobuf';
import { schemaOf, typeNameOf } from '../../../api/registry.ts';
import type { Json } from './message-json.ts';
import type { JsonObject } from './section.ts';

/** A google.protobuf.FieldMask as a tree: an empty map keeps everything below. */
export interface Mask extends ReadonlyMap<string, Mask> {}

/** Reads the `mask` parameter: paths of proto names, separated by commas (google.protobuf.FieldMask). */
export function parseMask(text: string): Mask {
  const root = new Map<string, Mask>();
  for (const path of text.split(',')) {
    let at = root;
    for (const step of path.trim().split('.')) {
      if (step === '') continue;
      let next = at.get(step) as Map<string, Mask> | undefined;
      if (next === undefined) at.set(step, (next = new Map()));
      at = next;
    }
  }
  return root;
}

/** Whether every path of a mask leads to a field of the message. What an Any holds is looked at where it is known. */
export function maskFits(mask: Mask, typeName: string): boolean {
  const schema = schemaOf(typeName);
  return schema !== undefined && fits(mask, schema);
}

function fits(mask: Mask, schema: DescMessage): boolean {
  for (const [name, below] of mask) {
    const field = schema.fields.find((f) => f.name === name);
    if (field === undefined) return false;
    if (below.size === 0) continue;
    // A mask stops at lists: what is inside is asked for with `resource`.
    if (field.message === undefined || field.fieldKind !== 'message') return false;
    // What stands in an Any differs from message to message.
    if (field.message.typeName === 'google.protobuf.Any') continue;
    if (!fits(below, field.message)) return false;
  }
  return true;
}

/** Keeps what the mask names; undefined if it names something that the message in an Any does not have. */
export function applyMask(mask: Mask, json: JsonObject): JsonObject | undefined {
  const kept: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    if (key === '@type') {
      kept[key] = value;
      if (typeof value === 'string' && mask.size > 0 && !knows(value, mask)) return undefined;
      continue;
    }
    const below = mask.size === 0 ? mask : mask.get(key);
    if (below === undefined) continue;
    const part = applyTo(below, value);
    if (part === undefined) return undefined;
    kept[key] = part;
  }
  return kept;
}

function knows(typeUrl: string, mask: Mask): boolean {
  const schema = schemaOf(typeNameOf(typeUrl));
  return schema === undefined || fits(mask, schema);
}

function applyTo(mask: Mask, value: Json): Json | undefined {
  if (mask.size === 0 || typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value)) return applyMask(mask, value);
  const items: Json[] = [];
  for (const item of value) {
    const part = applyTo(mask, item);
    if (part === undefined) return undefined;
    items.push(part);
  }
  return items;
}
