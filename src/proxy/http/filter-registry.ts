import { fromBinary, type Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { FilterConfigSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { readDataSource } from '../config/data-source.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { configTypeName, decodeConfig } from '../config/typed-config.ts';
import type { WorkerContext } from '../context.ts';
import type { AcquireStats } from '../observe/stat-leases.ts';
import type { FilterConfigCompiler, FilterConfigs } from '../router/scope.ts';
import type { FilterBuildContext, HttpFilterDefinition, HttpFilterFactory, RouteConfigContext } from './filter.ts';

type Definition = HttpFilterDefinition<Message, Message>;

/** Finds filters by the type of their configuration, or by name where a configuration gives none. */
export class HttpFilterRegistry implements FilterConfigCompiler {
  readonly #byType = new Map<string, Definition>();
  readonly #byRouteType = new Map<string, Definition>();
  readonly #byName = new Map<string, Definition>();
  readonly #routeContext: Omit<RouteConfigContext, 'rootStats'>;

  constructor(definitions: readonly HttpFilterDefinition<never, never>[], worker: WorkerContext) {
    this.#routeContext = { worker, readData: readDataSource };
    for (const definition of definitions as readonly Definition[]) this.add(definition);
  }

  /** Adds a filter of the user's own; it takes the place of a built-in one of the same type. */
  add(definition: Definition): void {
    const { name, schema, routeSchema, configType } = definition;
    this.#byType.set(configType ?? schema.typeName, definition);
    this.#byName.set(name, definition);
    if (routeSchema) this.#byRouteType.set(configType ?? routeSchema.typeName, definition);
  }

  /** Compiles one entry of `http_filters`. Undefined if something is wrong, which is in the errors then. */
  compileFilter(
    name: string,
    any: Any | undefined,
    context: FilterBuildContext,
    errors: ConfigErrors,
  ): HttpFilterFactory | undefined {
    const definition = any === undefined ? this.#byName.get(name) : this.#byType.get(configTypeName(any));
    if (definition === undefined) {
      errors.add(
        any === undefined ? 'name' : 'typed_config',
        any === undefined ? `${JSON.stringify(name)} is not a filter of this proxy` : unsupported(configTypeName(any)),
      );
      return undefined;
    }
    const at = errors.at('typed_config');
    const config = decodeConfig(definition.schema, any, at);
    if (config === undefined) return undefined;
    checkSupported(definition.schema, config, definition.supported, at);
    return errors.any ? undefined : definition.compile(config, context, at);
  }

  compile(
    configs: Readonly<Record<string, Any>>,
    rootStats: AcquireStats,
    errors: ConfigErrors,
  ): readonly FilterConfigs[] {
    const entries = Object.entries(configs);
    if (entries.length === 0) return NONE;
    const context = { ...this.#routeContext, rootStats };
    const byName = new Map<string, unknown>();
    const disabled = new Map<string, boolean>();
    for (const [name, given] of entries) {
      const at = errors.at(`["${name}"]`);
      let any: Any | undefined = given;
      if (typeNameOf(given.typeUrl) === FilterConfigSchema.typeName) {
        const wrapper = fromBinary(FilterConfigSchema, given.value);
        if (wrapper.disabled) disabled.set(name, true);
        else disabled.set(name, false);
        any = wrapper.config;
        if (any === undefined) continue;
        if (wrapper.isOptional && !this.#byRouteType.has(configTypeName(any))) continue;
      }
      const definition = this.#byRouteType.get(configTypeName(any));
      if (definition?.routeSchema === undefined || definition.compileRoute === undefined) {
        at.add('', unsupported(configTypeName(any)));
        continue;
      }
      const config = decodeConfig(definition.routeSchema, any, at);
      if (config === undefined) continue;
      checkSupported(definition.routeSchema, config, definition.supported, at);
      if (!at.any) byName.set(name, definition.compileRoute(config, context, at));
    }
    return [{ byName, disabled }];
  }
}

const NONE: readonly FilterConfigs[] = [];

/** Filters that run programs of another kind, by the part of their type's name. */
const LANGUAGES: Readonly<Record<string, string>> = {
  lua: 'Lua',
  wasm: 'WebAssembly',
  golang: 'Go plugins',
  dynamic_modules: 'shared libraries',
};

function unsupported(typeName: string): string {
  const language = LANGUAGES[/^envoy\.extensions\.filters\.http\.(\w+)\.v3\./.exec(typeName)?.[1] ?? ''];
  return language === undefined
    ? `${typeName} is not supported`
    : `${typeName} is not supported: this proxy does not run ${language}. Write the filter in TypeScript ` +
        '(docs/adding-a-filter.md), or let Envoy be the proxy of this workload';
}
