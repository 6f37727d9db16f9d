import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { type Struct, StructSchema } from '@bufbuild/protobuf/wkt';
import type { ConfigErrors } from '../config/errors.ts';
import type { FilterBuildContext, HttpFilterDefinition, HttpFilterFactory, RouteConfigContext } from './filter.ts';

/** What a filter of a user's own is written against: `import ... from 'isthmus/filter'` (docs/adding-a-filter.md). */

export { Headers } from '../../wire/headers.ts';
export { ResetReason } from '../../wire/http.ts';
export type { ConfigErrors } from '../config/errors.ts';
export { ResponseFlag } from '../observe/response-flags.ts';
export { StatGroup } from '../observe/stats.ts';
export type {
  FilterBuildContext,
  FilterCallbacks,
  HttpFilter,
  HttpFilterDefinition,
  HttpFilterFactory,
  LocalReply,
  RouteConfigContext,
} from './filter.ts';
export { DataStatus, HeadersStatus, TrailersStatus } from './filter.ts';
export type { JsonObject };

/** A filter whose configuration is JSON, checked by the filter itself. */
export interface JsonFilterDefinition {
  /** Name that a configuration without `typed_config` goes by, such as `example.filters.tenant`. */
  readonly name: string;
  /** What `type_url` of a TypedStruct ends with, such as `example.filters.Tenant`; for routes too. */
  readonly configType: string;
  /** Whatever is wrong goes to `errors`; the result is used only if there are none. */
  compile(config: JsonObject, context: FilterBuildContext, errors: ConfigErrors): HttpFilterFactory;
  /** What `routeConfig` gives the filter for requests of a route, virtual host or route table that configures it. */
  compileRoute?(config: JsonObject, context: RouteConfigContext, errors: ConfigErrors): unknown;
}

/** Makes a definition of a filter that is configured by JSON in a TypedStruct. */
export function defineFilter(filter: JsonFilterDefinition): HttpFilterDefinition<Struct, Struct> {
  const { name, configType } = filter;
  const compileRoute = filter.compileRoute?.bind(filter);
  return {
    name,
    configType,
    schema: StructSchema,
    routeSchema: compileRoute && StructSchema,
    supported: {},
    compile: (config, context, errors) => filter.compile(plain(config), context, errors),
    compileRoute: compileRoute && ((config, context, errors) => compileRoute(plain(config), context, errors)),
  };
}

function plain(config: Struct): JsonObject {
  return toJson(StructSchema, config) as JsonObject;
}
