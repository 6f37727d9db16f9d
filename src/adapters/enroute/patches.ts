import type { FieldPath } from '../../config/object.ts';
import type { Source } from './made.ts';

/** A patch of an EnvoyFilter, and what it comes from. */
export interface MadePatch {
  readonly patch: object;
  readonly source: Source;
}

const MANAGER = 'envoy.filters.network.http_connection_manager';
const ROUTER = { filterChain: { filter: { name: MANAGER, subFilter: { name: 'envoy.filters.http.router' } } } };

/** The `@type` of a configuration of Envoy's. */
export function typeUrl(name: string): string {
  return `type.googleapis.com/${name}`;
}

type Context = 'GATEWAY' | 'SIDECAR_INBOUND';

/** Adds an HTTP filter: the last before the router, or the first of all. */
export function httpFilterPatch(
  name: string,
  config: object,
  { first = false, context = 'GATEWAY' }: { readonly first?: boolean; readonly context?: Context } = {},
): object {
  return {
    applyTo: 'HTTP_FILTER',
    match: { context, listener: ROUTER },
    patch: { operation: first ? 'INSERT_FIRST' : 'INSERT_BEFORE', value: { name, typed_config: config } },
  };
}

/** Changes every HTTP connection manager. */
export function managerPatch(config: object): object {
  const type = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
  return {
    applyTo: 'NETWORK_FILTER',
    match: { context: 'GATEWAY', listener: { filterChain: { filter: { name: MANAGER } } } },
    patch: {
      operation: 'MERGE',
      value: { name: MANAGER, typed_config: { '@type': typeUrl(type), ...config } },
    },
  };
}

/** Changes a virtual host, by one of its domains; all of them where there is none. */
export function hostPatch(domain: string | undefined, value: object, context: Context = 'GATEWAY'): object {
  const match = domain === undefined ? {} : { routeConfiguration: { vhost: { domainName: domain } } };
  return { applyTo: 'VIRTUAL_HOST', match: { context, ...match }, patch: { operation: 'MERGE', value } };
}

/** Changes one route of a virtual host. */
export function routePatch(domain: string, name: string, value: object): object {
  return {
    applyTo: 'HTTP_ROUTE',
    match: { context: 'GATEWAY', routeConfiguration: { vhost: { domainName: domain, route: { name } } } },
    patch: { operation: 'MERGE', value },
  };
}

export function clusterPatch(name: string, value: object): object {
  return {
    applyTo: 'CLUSTER',
    match: { context: 'GATEWAY', cluster: { name } },
    patch: { operation: 'MERGE', value },
  };
}

/** Where a patch comes from, by its place in the EnvoyFilter. */
export function patchSource(patches: readonly MadePatch[], path: FieldPath): Source | undefined {
  const [, field, index] = path;
  return field === 'configPatches' && typeof index === 'number' ? patches[index]?.source : undefined;
}
