import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';

/** A message packed, with its type. */
export function pack<Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Any {
  return create(AnySchema, {
    typeUrl: `type.googleapis.com/${schema.typeName}`,
    value: toBinary(schema, create(schema, message)),
  });
}

/** A named extension as Envoy's filters, access loggers and the like are configured. */
export function extension<Desc extends DescMessage>(name: string, schema: Desc, message: MessageInitShape<Desc>) {
  return { name, typedConfig: pack(schema, message) };
}

/** As {@link extension}, for the filters that have their configuration in a oneof. */
export function filter<Desc extends DescMessage>(name: string, schema: Desc, message: MessageInitShape<Desc>) {
  return { name, configType: { case: 'typedConfig' as const, value: pack(schema, message) } };
}
