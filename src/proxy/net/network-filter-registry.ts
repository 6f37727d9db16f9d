import type { Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { configTypeName, decodeConfig } from '../config/typed-config.ts';
import type {
  NetworkBuildContext,
  NetworkFilterDefinition,
  NetworkFilterFactory,
  UpstreamBuildContext,
  UpstreamFilterFactory,
} from './network-filter.ts';

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
    const definition = any === undefined ? this.#byName.get(name) : this.#byType.get(configTypeName(any));
    if (definition === undefined) {
      errors.add(
        any === undefined ? 'name' : 'typed_config',
        `${any === undefined ? JSON.stringify(name) : configTypeName(any)} is not supported`,
      );
      return undefined;
    }
    const at = errors.at('typed_config');
    const config = this.#decode(definition, any, at);
    return config === undefined ? undefined : definition.compile(config, context, at);
  }

  /** Compiles one entry of a cluster's `filters`, in the same way. */
  compileUpstream(
    name: string,
    any: Any | undefined,
    context: UpstreamBuildContext,
    errors: ConfigErrors,
  ): UpstreamFilterFactory | undefined {
    const definition = any === undefined ? this.#byName.get(name) : this.#byType.get(configTypeName(any));
    if (definition?.compileUpstream === undefined) {
      const what = any === undefined ? JSON.stringify(name) : configTypeName(any);
      errors.add(any === undefined ? 'name' : 'typed_config', `${what} is not supported for connections to upstreams`);
      return undefined;
    }
    const at = errors.at('typed_config');
    const config = this.#decode(definition, any, at);
    return config === undefined ? undefined : definition.compileUpstream(config, context, at);
  }

  #decode(
    definition: NetworkFilterDefinition<Message>,
    any: Any | undefined,
    errors: ConfigErrors,
  ): Message | undefined {
    const config = decodeConfig(definition.schema, any, errors);
    if (config === undefined) return undefined;
    checkSupported(definition.schema, config, definition.supported, errors);
    return errors.any ? undefined : config;
  }
}
