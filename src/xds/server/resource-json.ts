import { fromBinary, type JsonObject, type Message, toBinary, toJson } from '@bufbuild/protobuf';
import { type Secret, SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { registry, schemaOf, typeNameOf } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { ServedResource } from '../session/messages.ts';

/** The payload of a resource. The type must be one of Envoy's API. */
export function encodeResource(message: Message): Uint8Array {
  const schema = schemaOf(message.$typeName);
  if (!schema) throw new Error(`${message.$typeName} is not known`);
  return toBinary(schema, message);
}

/** A resource as Envoy's admin endpoint prints one: JSON of its Any, without private keys. */
export function resourceJson(typeUrl: string, { name, bytes }: ServedResource): JsonObject {
  const schema = schemaOf(typeNameOf(typeUrl));
  try {
    if (!schema) throw new Error('its type is not known');
    const message = fromBinary(schema, bytes);
    if (schema.typeName === SecretSchema.typeName) redact(message as Secret);
    return { '@type': typeUrl, ...(toJson(schema, message, { registry }) as JsonObject) };
  } catch (error) {
    return { '@type': typeUrl, name, error: `cannot be printed: ${messageOf(error)}` };
  }
}

/** Puts Envoy's placeholder in the place of what is secret. */
function redact({ type }: Secret): void {
  const placeholder = { case: 'inlineBytes' as const, value: new TextEncoder().encode('[redacted]') };
  if (type.case === 'tlsCertificate') {
    for (const source of [type.value.privateKey, type.value.password]) if (source) source.specifier = placeholder;
  } else if (type.case === 'genericSecret') {
    if (type.value.secret) type.value.secret.specifier = placeholder;
  } else if (type.case === 'sessionTicketKeys') {
    for (const source of type.value.keys) source.specifier = placeholder;
  }
}
