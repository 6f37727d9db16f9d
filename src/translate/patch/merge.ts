import { type DescField, type DescMessage, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Any, AnySchema, DurationSchema } from '@bufbuild/protobuf/wkt';
import { unpackAny } from '../../api/registry.ts';

export interface MergeOptions {
  /** Lists replace the lists that are there instead of being added to them (operation MERGE_AND_REPLACE_LIST). */
  readonly replaceLists: boolean;
}

/**
 * Merges `source` into `target`, both of the same type, the way EnvoyFilters do: set fields replace, messages are merged,
 * lists are appended, entries of maps are replaced, and so are durations as a whole. A field at its default value counts as
 * not set, so that a merge cannot set a wrapped value such as `use_remote_address` from true to false.
 */
export function merge(schema: DescMessage, target: Message, source: Message, options: MergeOptions): void {
  mergeMessages(reflect(schema, target), reflect(schema, source), options);
}

function mergeMessages(target: ReflectMessage, source: ReflectMessage, options: MergeOptions): void {
  for (const field of source.desc.fields) {
    if (!source.isSet(field)) continue;
    switch (field.fieldKind) {
      case 'list':
        if (options.replaceLists) target.clear(field);
        for (const item of source.get(field)) (target.get(field) as ReflectList).add(copyOf(item) as never);
        break;
      case 'map':
        for (const [key, value] of source.get(field)) {
          (target.get(field) as ReflectMap).set(key as never, copyOf(value) as never);
        }
        break;
      case 'message':
        mergeField(target, source, field, options);
        break;
      default:
        target.set(field, source.get(field));
    }
  }
  const unknown = source.getUnknown();
  if (unknown?.length) target.setUnknown([...(target.getUnknown() ?? []), ...unknown]);
}

function mergeField(
  target: ReflectMessage,
  source: ReflectMessage,
  field: DescField & { fieldKind: 'message' },
  options: MergeOptions,
): void {
  const value = source.get(field);
  if (field.message.typeName === DurationSchema.typeName) {
    target.set(field, copyOf(value));
    return;
  }
  const merged = target.isSet(field) ? target.get(field) : reflect(field.message);
  mergeMessages(merged, value, options);
  target.set(field, merged);
}

function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('message' in value)) return value;
  const { desc, message } = value as ReflectMessage;
  return reflect(desc, fromBinary(desc, toBinary(desc, message)));
}

/**
 * What is in `source` merged into what is in `target`. Undefined if a type is not known, they are not of one type, or one
 * cannot be read: then nothing is changed.
 */
export function mergeAny(target: Any | undefined, source: Any | undefined): Any | undefined {
  if (target === undefined || source === undefined || target.typeUrl !== source.typeUrl) return undefined;
  const [into, from] = [readAny(target), readAny(source)];
  if (into === undefined || from === undefined) return undefined;
  merge(into.schema, into.message, from.message, { replaceLists: false });
  return { $typeName: AnySchema.typeName, typeUrl: target.typeUrl, value: toBinary(into.schema, into.message) };
}

function readAny(any: Any): ReturnType<typeof unpackAny> {
  try {
    return unpackAny(any);
  } catch {
    return undefined;
  }
}

/** Something named that is configured with a typed message: a network or HTTP filter. */
interface Extension {
  name: string;
  configType: { case?: string | undefined; value?: unknown };
}

/** Whether a patch is configured as a filter is: one that names no filter is for those alone, and would spoil the others. */
export function isOfSameType(target: Extension, source: Extension | undefined): boolean {
  if (target.configType.case !== 'typedConfig' || source?.configType.case !== 'typedConfig') return false;
  return (target.configType.value as Any).typeUrl === (source.configType.value as Any).typeUrl;
}

/**
 * What a patch for a filter makes of it: its configuration is merged, and it takes the patch's name if that has one. A
 * filter without configuration of its own stays as it is.
 */
export function mergeExtension<E extends Extension>(target: E, source: E | undefined): void {
  if (source === undefined || target.configType.case !== 'typedConfig') return;
  if (source.name !== '') target.name = source.name;
  if (source.configType.case !== 'typedConfig') return;
  const own = target.configType.value as Any;
  const merged = mergeAny(own, { ...(source.configType.value as Any), typeUrl: own.typeUrl });
  if (merged !== undefined) target.configType = { case: 'typedConfig', value: merged };
}
