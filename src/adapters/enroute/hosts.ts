import type { GatewayHostSpec } from '../../config/kinds/gateway-host/schema.ts';
import type { EnrouteRoute, HeaderCondition } from '../../config/kinds/shared/enroute-route.ts';
import type { ConfigObject, FieldPath } from '../../config/object.ts';
import type { Findings } from './findings.ts';
import type { Config } from './gateways.ts';

export type GatewayHost = ConfigObject<GatewayHostSpec>;

/** A route of a host, wherever it was written. */
export interface ServedRoute {
  readonly source: ConfigObject;
  /** Where it stands in its source. */
  readonly path: FieldPath;
  readonly route: EnrouteRoute;
  readonly prefix: string;
  readonly headers: readonly HeaderCondition[];
  /** Why it cannot be what it should be. */
  readonly problem: string | undefined;
}

export interface ServedHost {
  readonly source: GatewayHost;
  readonly fqdn: string;
  /** The longest prefix first, then the one with more conditions. */
  readonly routes: readonly ServedRoute[];
}

/** How deep routes may be delegated on. */
const MAX_DELEGATION = 10;

/** The hosts that GatewayHosts name, with their own routes, those that they delegate to, and those of ServiceRoutes. */
export function servedHosts(config: Config, findings: Findings): ServedHost[] {
  const hosts = new Map<string, { source: GatewayHost; routes: ServedRoute[] }>();
  for (const source of config.list('GatewayHost')) {
    const fqdn = source.spec.virtualhost?.fqdn.toLowerCase();
    if (fqdn === undefined) continue;
    const first = hosts.get(fqdn);
    if (first !== undefined) {
      const { namespace, name } = first.source.metadata;
      const message = `has no effect: GatewayHost ${namespace}/${name} has this host, and is older`;
      findings.add(source, ['spec', 'virtualhost', 'fqdn'], message);
      continue;
    }
    hosts.set(fqdn, { source, routes: routesOf(config, findings, source, UNCONDITIONAL, []) });
  }
  for (const source of config.list('ServiceRoute')) {
    const host = hosts.get(source.spec.fqdn.toLowerCase());
    if (host === undefined) {
      findings.add(source, ['spec', 'fqdn'], 'has no effect: no GatewayHost has this host', 'GatewayHost');
      continue;
    }
    host.routes.push(...routeOf(config, findings, source, ['spec', 'route'], source.spec.route, UNCONDITIONAL, []));
  }
  return [...hosts].map(([fqdn, { source, routes }]) => ({ source, fqdn, routes: routes.sort(bySpecificity) }));
}

interface Conditions {
  readonly prefix: string;
  readonly headers: readonly HeaderCondition[];
}

const UNCONDITIONAL: Conditions = { prefix: '/', headers: [] };

function routesOf(
  config: Config,
  findings: Findings,
  source: GatewayHost,
  outer: Conditions,
  visited: readonly GatewayHost[],
): ServedRoute[] {
  return (source.spec.routes ?? []).flatMap((route, i) =>
    routeOf(config, findings, source, ['spec', 'routes', i], route, outer, [...visited, source]),
  );
}

function routeOf(
  config: Config,
  findings: Findings,
  source: ConfigObject,
  path: FieldPath,
  route: EnrouteRoute,
  outer: Conditions,
  visited: readonly GatewayHost[],
): ServedRoute[] {
  const prefix = route.conditions?.find((condition) => condition.prefix !== undefined)?.prefix ?? outer.prefix;
  const headers = [...outer.headers, ...(route.conditions ?? []).flatMap(({ header }) => header ?? [])];
  const failed = (field: FieldPath, message: string, missing?: 'GatewayHost'): ServedRoute[] => {
    const problem = findings.add(source, [...path, ...field], message, missing);
    return [{ source, path, route, prefix, headers, problem }];
  };
  if (!prefix.startsWith(outer.prefix)) {
    // It stays behind the prefix that was delegated to it: it may not take requests of others.
    findings.add(source, [...path, 'conditions'], `has no effect: only paths with ${outer.prefix} are delegated to it`);
    return [];
  }
  if (route.delegate === undefined) return [{ source, path, route, prefix, headers, problem: undefined }];
  const { name, namespace = source.metadata.namespace } = route.delegate;
  const child = config.get('GatewayHost', namespace, name);
  if (child === undefined) return failed(['delegate'], `names no GatewayHost: ${namespace}/${name}`, 'GatewayHost');
  if (child.spec.virtualhost !== undefined) {
    return failed(['delegate'], `must be without a virtualhost: ${namespace}/${name}`);
  }
  if (visited.includes(child)) return failed(['delegate'], `comes back to ${namespace}/${name}`);
  if (visited.length >= MAX_DELEGATION) return failed(['delegate'], `is more than ${MAX_DELEGATION} deep`);
  return routesOf(config, findings, child, { prefix, headers }, visited);
}

function bySpecificity(a: ServedRoute, b: ServedRoute): number {
  return b.prefix.length - a.prefix.length || b.headers.length - a.headers.length;
}
