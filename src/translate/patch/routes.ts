import {
  type Route,
  RouteSchema,
  type VirtualHost,
  VirtualHostSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { parseClusterName } from '../names.ts';
import { cloneOf, editList, merges } from './lists.ts';
import { merge } from './merge.ts';
import type { PatchContext, PatchSet, PatchTarget, ReadyPatch } from './patch-set.ts';

export const ROUTE_TARGETS: readonly PatchTarget[] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];

/** For gateways: under which ports of Gateways the port of a route table was declared. */
export type DeclaredPorts = ReadonlyMap<number, ReadonlySet<number>> | undefined;

/**
 * Applies the EnvoyFilters for route configurations to one. Its virtual hosts must be its own; their routes may be shared
 * with others and are copied before they are changed.
 */
export function patchRouteConfiguration(
  patches: PatchSet,
  context: PatchContext,
  config: RouteConfiguration,
  declaredPorts: DeclaredPorts,
): void {
  const here = (target: PatchTarget) =>
    patches.for(target, context).filter((patch) => matchesConfiguration(patch, context, config, declaredPorts));
  for (const patch of patches.for('ROUTE_CONFIGURATION', context)) {
    if (!merges(patch) || patch.value === undefined) continue;
    if (!matchesConfiguration(patch, context, config, declaredPorts)) continue;
    merge(RouteConfigurationSchema, config, patch.value, replacing(patch));
  }
  const ofHosts = here('VIRTUAL_HOST');
  const ofRoutes = here('HTTP_ROUTE');
  const kept = config.virtualHosts.flatMap((host) => patchVirtualHost(ofHosts, ofRoutes, host) ?? []);
  for (const { operation, value } of ofHosts) {
    if (operation === 'ADD' && value !== undefined) kept.push(cloneOf(VirtualHostSchema, value));
  }
  config.virtualHosts = kept;
}

function replacing({ operation }: ReadyPatch) {
  return { replaceLists: operation === 'MERGE_AND_REPLACE_LIST' };
}

function patchVirtualHost(
  ofHosts: readonly ReadyPatch[],
  ofRoutes: readonly ReadyPatch[],
  original: VirtualHost,
): VirtualHost | undefined {
  let host = original;
  for (const patch of ofHosts) {
    if (!matchesHost(patch, host)) continue;
    if (patch.operation === 'REMOVE') return undefined;
    if (patch.value === undefined) continue;
    if (merges(patch)) merge(VirtualHostSchema, host, patch.value, replacing(patch));
    else if (patch.operation === 'REPLACE') host = cloneOf(VirtualHostSchema, patch.value);
  }
  patchRoutes(ofRoutes, host);
  return host;
}

function patchRoutes(patches: readonly ReadyPatch[], host: VirtualHost): void {
  const own = patches.filter((patch) => matchesHost(patch, host));
  if (own.length === 0) return;
  host.routes = host.routes.flatMap((route) => patchRoute(own, route) ?? []);
  for (const patch of own) {
    if (patch.operation === 'REMOVE' || patch.operation === 'REPLACE') continue;
    const named = patch.route?.vhost?.route !== undefined;
    const matches = (route: Route) => matchesRoute(patch, route);
    if (patch.operation === 'INSERT_FIRST' && named && !host.routes.some(matches)) continue;
    host.routes = editList(RouteSchema, host.routes, patch, named, matches);
  }
}

function patchRoute(patches: readonly ReadyPatch[], original: Route): Route | undefined {
  let route = original;
  for (const patch of patches) {
    if (!matchesRoute(patch, route)) continue;
    if (patch.operation === 'REMOVE') return undefined;
    if (!merges(patch) || patch.value === undefined) continue;
    if (route === original) route = cloneOf(RouteSchema, original);
    merge(RouteSchema, route, patch.value, replacing(patch));
  }
  return route;
}

function matchesConfiguration(
  { route: match }: ReadyPatch,
  context: PatchContext,
  { name }: RouteConfiguration,
  declaredPorts: DeclaredPorts,
): boolean {
  if (match === undefined) return true;
  if (match.name && match.name !== name) return false;
  if (context !== 'GATEWAY') return !match.portNumber || match.portNumber === portOfSidecarTable(name);
  const { port, portName, gateway } = parseGatewayTable(name);
  if (match.portName && match.portName !== portName) return false;
  if (match.gateway && match.gateway !== gateway) return false;
  if (!match.portNumber) return true;
  const declared = declaredPorts?.get(port);
  return declared === undefined ? port === match.portNumber : declared.has(match.portNumber);
}

function portOfSidecarTable(name: string): number {
  if (name.startsWith('inbound')) return parseClusterName(name)?.port ?? 0;
  return /^\d+$/.test(name) ? Number(name) : 0;
}

/** `http.PORT`, `https.PORT.PORTNAME.GATEWAY.NAMESPACE`, each perhaps with a bind address behind. */
function parseGatewayTable(name: string): { port: number; portName: string; gateway: string } {
  const parts = name.split('.');
  const port = /^\d+$/.test(parts[1] ?? '') ? Number(parts[1]) : 0;
  if (name.startsWith('https.') && parts.length >= 5) {
    return { port, portName: parts[2]!, gateway: `${parts[4]}/${parts[3]}` };
  }
  return { port: name.startsWith('http.') ? port : 0, portName: '', gateway: '' };
}

function matchesHost({ route: match }: ReadyPatch, host: VirtualHost): boolean {
  const vhost = match?.vhost;
  if (vhost === undefined) return true;
  if (vhost.name && vhost.name !== host.name) return false;
  return !vhost.domainName || host.domains.includes(vhost.domainName);
}

function matchesRoute({ route: match }: ReadyPatch, route: Route): boolean {
  const wanted = match?.vhost?.route;
  if (wanted === undefined) return true;
  if (wanted.name && wanted.name !== route.name) return false;
  switch (route.action.case) {
    case 'route':
      return isAction(wanted.action, 'ROUTE');
    case 'redirect':
      return isAction(wanted.action, 'REDIRECT');
    case 'directResponse':
      return isAction(wanted.action, 'DIRECT_RESPONSE');
    default:
      return true;
  }
}

function isAction(wanted: string | undefined, action: string): boolean {
  return wanted === undefined || wanted === 'ANY' || wanted === action;
}
