import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { fromBinary, type JsonObject, type Message } from '@bufbuild/protobuf';
import type { TypedExtensionConfig } from '../api/gen/envoy/config/core/v3/extension_pb.ts';
import { TypedStructSchema } from '../api/gen/xds/type/v3/typed_struct_pb.ts';
import { typeNameOf } from '../api/registry.ts';
import { messageOf } from '../base/errors.ts';
import type { ConfigErrors } from './config/errors.ts';
import type { HttpFilterDefinition } from './http/filter.ts';

/** `type_url` of the bootstrap extension that names files with filters. */
const FILTER_MODULES = 'isthmus.HttpFilterModules';

/** A file is given this module for `isthmus/filter`, wherever it lies: the one that this very program runs. */
const PUBLIC_API = new URL(`./http/user-filter${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
  .href;

let hooked = false;

function offerApi(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'isthmus/filter' ? { url: PUBLIC_API, shortCircuit: true } : next(specifier, context),
  });
}

/**
 * Loads the filters of a user's own that `bootstrap_extensions` names; paths are relative to `folder`. They run with all
 * that this process may do, so only a bootstrap can name them, and never a control plane.
 */
export async function loadFilterModules(
  extensions: readonly TypedExtensionConfig[],
  folder: string,
  errors: ConfigErrors,
): Promise<HttpFilterDefinition<Message, Message>[]> {
  const definitions: HttpFilterDefinition<Message, Message>[] = [];
  for (const [i, extension] of extensions.entries()) {
    const at = errors.at(i).at('typed_config');
    for (const [j, file] of modulesOf(extension, at).entries()) {
      const definition = await load(path.resolve(folder, file), at.at('value').at('modules').at(j));
      if (definition !== undefined) definitions.push(definition);
    }
  }
  return definitions;
}

function modulesOf({ typedConfig }: TypedExtensionConfig, errors: ConfigErrors): readonly string[] {
  const struct =
    typedConfig !== undefined && typeNameOf(typedConfig.typeUrl) === TypedStructSchema.typeName
      ? fromBinary(TypedStructSchema, typedConfig.value)
      : undefined;
  if (struct === undefined || typeNameOf(struct.typeUrl) !== FILTER_MODULES) {
    errors.add('', `is not supported: only a xds.type.v3.TypedStruct of ${FILTER_MODULES} is`);
    return [];
  }
  const { modules, ...others }: JsonObject = struct.value ?? {};
  for (const name of Object.keys(others)) errors.at('value').add(name, 'unknown field');
  if (Array.isArray(modules) && modules.every((m) => typeof m === 'string' && m !== '')) return modules as string[];
  errors.at('value').add('modules', 'a list of paths is needed');
  return [];
}

async function load(file: string, errors: ConfigErrors): Promise<HttpFilterDefinition<Message, Message> | undefined> {
  offerApi();
  let definition: unknown;
  try {
    ({ default: definition } = (await import(pathToFileURL(file).href)) as { default?: unknown });
  } catch (error) {
    errors.add('', `${file} cannot be loaded: ${messageOf(error)}`);
    return undefined;
  }
  if (isDefinition(definition)) return definition;
  errors.add('', `${file} exports no filter by default: \`export default defineFilter({...})\``);
  return undefined;
}

function isDefinition(value: unknown): value is HttpFilterDefinition<Message, Message> {
  if (typeof value !== 'object' || value === null) return false;
  const { name, schema, supported, compile } = value as Partial<HttpFilterDefinition>;
  return (
    typeof name === 'string' &&
    typeof schema === 'object' &&
    typeof supported === 'object' &&
    typeof compile === 'function'
  );
}
