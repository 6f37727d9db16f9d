import { type DescMessage, fromBinary, type JsonObject, type Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type TypedStruct, TypedStructSchema } from '../../api/gen/udpa/type/v1/typed_struct_pb.ts';
import { messageFromJson } from '../../api/json.ts';
import { typeNameOf } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from './errors.ts';

/** A struct that says which message it stands for: how istiod writes what Envoy's API does not have. */
const WRAPPERS: ReadonlySet<string> = new Set([TypedStructSchema.typeName, 'xds.type.v3.TypedStruct']);

/** Full name of the message that a typed_config holds, looking into a TypedStruct. */
export function configTypeName(any: Any): string {
  const name = typeNameOf(any.typeUrl);
  if (!WRAPPERS.has(name)) return name;
  try {
    return typeNameOf(decodeStruct(any).typeUrl);
  } catch {
    return name;
  }
}

/** Decodes a typed_config as a message, which may be written as a TypedStruct. Undefined and an error if it is none. */
export function decodeConfig(schema: DescMessage, any: Any | undefined, errors: ConfigErrors): Message | undefined {
  try {
    if (any === undefined || !WRAPPERS.has(typeNameOf(any.typeUrl))) {
      return fromBinary(schema, any?.value ?? new Uint8Array(0));
    }
    const json: JsonObject = decodeStruct(any).value ?? {};
    const read = messageFromJson(schema, json);
    if ('message' in read) return read.message;
    for (const { path, message } of read.problems) {
      errors.add(
        path
          .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
          .join('')
          .replace(/^\./, ''),
        message,
      );
    }
  } catch (error) {
    errors.add('', `cannot be decoded: ${messageOf(error)}`);
  }
  return undefined;
}

/** The two kinds of TypedStruct have the same fields. */
function decodeStruct(any: Any): TypedStruct {
  return fromBinary(TypedStructSchema, any.value);
}
