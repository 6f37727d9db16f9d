import { fromBinary, type Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { typeNameOf } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import type { NetworkBuildContext, NetworkFilterDefinition, NetworkFilterFactory } from './network-filter.ts';

/** Finds network filters by the type of their configuration, or by name where a configuration gives none. */
export class NetworkFilterRegistry {
  readonly #byType = new Map<string, NetworkFilterDefinition<Message>>();
  readonly #byName = new Map<string, NetworkFilterDefinition<Message>>();

  constructor(definitions: readonly NetworkFilterDefinition<never>[]) {
    for (const definition of definitions as readonly NetworkFilterDefinition<Message>[]) {
      this.#byType.set(definition.schema.typeName, definition);
      this.#byName.set(definition.name, definition);
    }
  }

  /** Compiles one entry of `filters`. Undefined if something is wrong, which is in the errors then. */
  compile(
    name: string,
    any: Any | undefined,
    context: NetworkBuildContext,
    errors: ConfigErrors,
  ): NetworkFilterFactory | undefined {
    const definition = any === undefined ? this.#byName.get(name) : this.#byType.get(typeNameOf(any.typeUrl));
    if (definition === undefined) {
      errors.add(
        any === undefined ? 'name' : 'typed_config',
        `${any?.typeUrl ?? JSON.stringify(name)} is not supported`,
      );
      return undefined;
    }
    const at = errors.at('typed_config');
    let config: Message;
    try {
      config = fromBinary(definition.schema, any?.value ?? new Uint8Array(0));
    } catch (error) {
      at.add('', `cannot be decoded: ${messageOf(error)}`);
      return undefined;
    }
    checkSupported(definition.schema, config, definition.supported, at);
    return errors.any ? undefined : definition.compile(config, context, at);
  }
}
