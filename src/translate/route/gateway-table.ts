import { hostsForNamespace, intersectHosts } from '../../registry/host.ts';
import type { Service } from '../../registry/service.ts';
import type { GatewayServer } from '../index/gateway-merge.ts';
import type { VirtualService } from '../index/virtual-service.ts';
import { Memo } from '../memo.ts';
import { domainName } from '../names.ts';
import { proxyHeaders } from '../proxy-headers.ts';
import { type ProxyView, rulesByWorkload } from '../proxy-view.ts';
import type { RouteContext } from './http-route.ts';
import { isCatchAll } from './match.ts';
import { RouteGroup } from './route-group.ts';
import { emptyTable, type RouteTable } from './route-table.ts';
import { statefulSession } from './stateful-session.ts';
import { byName, type VirtualHostSpec, virtualHost } from './virtual-host.ts';
import { callerKey, virtualServiceRoutes } from './virtual-service-routes.ts';

type Draft = { -readonly [K in keyof VirtualHostSpec]: VirtualHostSpec[K] } & { groups: RouteGroup[] };

/** The route table of that name of a gateway. Empty if no server uses it. */
export function gatewayRouteTable(proxy: ProxyView, name: string): RouteTable {
  const servers = proxy.gateway?.byRouteName.get(name);
  if (servers === undefined) return emptyTable(name);
  const { indexes, features, mesh, namespace, scope } = proxy;
  const bound = [...new Set(servers.map(({ gatewayName }) => gatewayName))].map((gateway) =>
    indexes.virtualServices.forGateway(namespace, gateway),
  );
  const inputs = [servers, ...bound, scope.byHost, indexes.registry.services, mesh, features, indexes.destinationRules];
  const { attemptCount } = proxyHeaders(proxy.config, 'gateway');
  const callers = callerKey(bound.flat(), { labels: proxy.labels, namespace });
  const key = `${name} ${namespace} ${attemptCount} ${rulesByWorkload(proxy)} ${callers}`;
  return tables.get(inputs, key, () => {
    const table = new GatewayTable(proxy, attemptCount);
    for (const server of servers) table.add(server);
    return { name, hosts: table.build(servers[0]!.server.port.number ?? 0), known: true, matchesPort: false };
  });
}

const tables = new Memo<RouteTable>();

/** Collects the virtual hosts of the servers that share a route table. */
class GatewayTable {
  readonly #proxy: ProxyView;
  readonly #attemptCount: boolean;
  readonly #hosts = new Map<string, Draft>();
  /** Routes by gateway and VirtualService: those for the first server count for all. */
  readonly #routes = new Map<string, Map<VirtualService, RouteGroup>>();

  constructor(proxy: ProxyView, attemptCount: boolean) {
    this.#proxy = proxy;
    this.#attemptCount = attemptCount;
  }

  add(entry: GatewayServer): void {
    const { server, gatewayName } = entry;
    const port = server.port.number ?? 0;
    const redirects = server.tls?.httpsRedirect === true;
    for (const vs of this.#proxy.indexes.virtualServices.forGateway(this.#proxy.namespace, gatewayName)) {
      const hosts = intersectHosts(hostsForNamespace(server.hosts, vs.namespace), vs.hosts);
      if (hosts.length === 0) continue;
      const routes = this.#routesOf(entry, vs);
      if (routes.routes.length === 0) continue;
      for (const host of hosts) {
        const hostname = host.toLowerCase();
        const service = leadsTo(vs, hostname) ? this.#service(vs, hostname) : undefined;
        const draft = this.#draft(hostname, port, service && statefulSession(service, this.#proxy.features));
        draft.groups.push(routes);
        if (redirects) draft.requireTls = true;
      }
    }
    if (!redirects) return;
    for (const host of server.hosts) this.#draft(host.toLowerCase(), port, undefined).requireTls = true;
  }

  build(port: number): VirtualHostSpec[] {
    if (this.#hosts.size === 0) return [virtualHost({ name: domainName('blackhole', port), domains: ['*'] })];
    const hosts = [...this.#hosts].sort(([a], [b]) => compareHosts(a, b)).map(([, draft]) => draft);
    const distinct = this.#proxy.features.routeCollapse ? collapse(hosts) : hosts;
    return distinct.map((host) => ({ ...host, groups: ordered(host.groups) })).sort(byName);
  }

  #draft(hostname: string, port: number, session: VirtualHostSpec['typedPerFilterConfig']): Draft {
    let draft = this.#hosts.get(hostname);
    if (draft === undefined) {
      draft = {
        ...virtualHost({ name: domainName(hostname, port), domains: [hostname], typedPerFilterConfig: session }),
        includeRequestAttemptCount: this.#attemptCount,
        groups: [],
      };
      this.#hosts.set(hostname, draft);
    }
    return draft;
  }

  #routesOf({ server, gatewayName }: GatewayServer, vs: VirtualService): RouteGroup {
    let ofGateway = this.#routes.get(gatewayName);
    if (ofGateway === undefined) this.#routes.set(gatewayName, (ofGateway = new Map()));
    let routes = ofGateway.get(vs);
    if (routes === undefined) {
      const proxy = this.#proxy;
      const context: RouteContext = {
        mesh: proxy.mesh,
        features: proxy.features,
        labels: proxy.labels,
        namespace: proxy.namespace,
        port: server.port.number ?? 0,
        gateway: gatewayName,
        isTls: server.tls !== undefined,
        service: (hostname) => this.#service(vs, hostname),
        rule: (hostname) => proxy.destinationRuleFor(hostname),
      };
      routes = virtualServiceRoutes(context, vs);
      ofGateway.set(vs, routes);
    }
    return routes;
  }

  /** The service that a VirtualService means: of its own namespace if the gateway may see it. */
  #service(vs: VirtualService, hostname: string): Service | undefined {
    const { indexes, namespace, scope } = this.#proxy;
    const own = indexes.registry.services.byHost(hostname).get(vs.namespace);
    return own !== undefined && indexes.serviceExports.isVisible(own, namespace) ? own : scope.byHost.get(hostname);
  }
}

function leadsTo(vs: VirtualService, hostname: string): boolean {
  return vs.http.some(
    ({ route }) =>
      route.route?.some(({ destination }) => destination.host === hostname) ||
      route.mirror?.host === hostname ||
      route.mirrors?.some(({ destination }) => destination.host === hostname),
  );
}

/** Makes one virtual host of those that have the very same routes, so that these are sent once. */
function collapse(hosts: readonly Draft[]): readonly VirtualHostSpec[] {
  const byRoutes = new Map<RouteGroup | undefined, Draft[]>();
  const distinct: Draft[] = [];
  for (const host of hosts) {
    const candidates = byRoutes.get(host.groups[0]) ?? [];
    const same = candidates.find(
      (other) => other.requireTls === host.requireTls && sameGroups(other.groups, host.groups),
    );
    if (same !== undefined) {
      same.domains = [...same.domains, ...host.domains];
      continue;
    }
    byRoutes.set(host.groups[0], [...candidates, host]);
    distinct.push(host);
  }
  return distinct;
}

function sameGroups(a: readonly RouteGroup[], b: readonly RouteGroup[]): boolean {
  return a.length === b.length && a.every((group, i) => group === b[i]);
}

const merged = new Memo<RouteGroup>();

/** Routes of several VirtualServices for one host: those that take every request go last. */
function ordered(groups: readonly RouteGroup[]): readonly RouteGroup[] {
  if (groups.length < 2) return groups;
  const all = merged.get(groups, '', () => {
    const routes = groups.flatMap((group) => group.routes);
    const last = routes.filter((route) => isCatchAll(route.match));
    return new RouteGroup(
      [...routes.filter((route) => !last.includes(route)), ...last],
      groups.flatMap((group) => group.origins),
    );
  });
  return [all];
}

/** Hosts from specific to general: wildcards after names, longer before shorter, by alphabet. */
function compareHosts(a: string, b: string): number {
  const wild = Number(a.startsWith('*')) - Number(b.startsWith('*'));
  return wild || b.length - a.length || (a < b ? -1 : a > b ? 1 : 0);
}
